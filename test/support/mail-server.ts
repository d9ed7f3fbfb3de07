import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface MailServer {
  readonly port: number;
  /** Whole mails, in the order of their arrival. */
  readonly mails: readonly string[];
  /** Of each mail, whom its envelope names. */
  readonly recipients: readonly (readonly string[])[];
  logins(): number;
  close(): Promise<void>;
}

/** An SMTP server that keeps what it is handed. */
export async function startMailServer(options: SMTPServerOptions): Promise<MailServer> {
  const mails: string[] = [];
  const recipients: (readonly string[])[] = [];
  let logins = 0;
  const server = new SMTPServer({
    authOptional: true,
    onAuth: ({ username }, _session, done) => {
      logins += 1;
      done(null, { user: username });
    },
    onData: (stream, { envelope }, done) => {
      let mail = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        mail += text;
      });
      stream.on('end', () => {
        mails.push(mail);
        recipients.push(envelope.rcptTo.map(({ address }) => address));
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    recipients,
    logins: () => logins,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
