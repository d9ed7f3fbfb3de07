import { createTransport } from 'nodemailer';
import { createDeadline } from '../../lib/deadline.ts';
import type { Delivery, Mail } from './delivery.ts';

/**
 * Hands one mail to the SMTP server of its route, on a connection of its own. Certificates are verified; with `starttls` a
 * server that offers none is refused. A reply of 5xx to the mail is final (RFC 5321 section 4.2.1), everything else is worth another try.
 */
export async function mailOnce(mail: Mail, timeoutMs: number, signal: AbortSignal): Promise<Delivery> {
  const { host, port, tls, ca, login, from } = mail.channel;
  const transport = createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca }) },
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const deadline = createDeadline(signal, timeoutMs);
  const stopped = new Promise<never>((_resolve, reject) => {
    deadline.signal.addEventListener('abort', () => reject(new Error('no answer in time')), { once: true });
  });
  try {
    deadline.signal.throwIfAborted();
    const { messageId, subject, text } = mail;
    // As objects: a text would be read as a list of addresses.
    const to = mail.to.map((address) => ({ name: '', address }));
    // RFC 3834: nobody's holiday reply is wanted.
    const headers = { 'Auto-Submitted': 'auto-generated' };
    await Promise.race([transport.sendMail({ from, to, messageId, subject, text, headers }), stopped]);
    return { kind: 'sent' };
  } catch (thrown) {
    return judged(thrown);
  } finally {
    deadline.clear();
    transport.close();
  }
}

function judged(thrown: unknown): Delivery {
  const status = property(thrown, 'responseCode');
  const code = property(thrown, 'code');
  // Of the mail itself, that is; a login or a STARTTLS that fails is for an operator to mend.
  const isOfMail = code === 'EENVELOPE' || code === 'EMESSAGE';
  if (isOfMail && typeof status === 'number' && status >= 500)
    return { kind: 'refused', reason: `SMTP reply ${status}` };
  const reason =
    typeof status === 'number' ? `SMTP reply ${status}` : typeof code === 'string' ? code : 'no answer in time';
  return { kind: 'failed', reason, retryAfterMs: null };
}

function property(thrown: unknown, name: string): unknown {
  return typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined;
}
