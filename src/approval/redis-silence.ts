/** What is needed of ioredis' `Redis`. */
export interface WatchedConnection {
  on(event: 'connect' | 'ready' | 'close', listener: () => void): unknown;
  /** Ends the connection; a new one is made when `reconnect` is true. */
  disconnect(reconnect: boolean): void;
}

/** Watches whether the peer of a connection answers at all. */
export interface Silence {
  /** To be asked when a call is sent, and given to `late` when it was not answered in time. */
  mark(): number;
  /** The peer has answered something. */
  heard(): void;
  /** Nothing is heard for as long again: the connection goes, and with it the calls that wait on it. */
  late(mark: number): void;
  close(): void;
}

/**
 * Gives up a connection whose peer has been silent for twice the limit although it was asked, or that is not ready within the limit. By
 * counting answers, because ioredis' own `socketTimeout` sets a timer and two listeners for each command.
 */
export function watchSilence(connection: WatchedConnection, limitMs: number): Silence {
  let answers = 0;
  let timer: NodeJS.Timeout | undefined;
  let isSuspected = false;
  let isClosed = false;

  const giveUpIf = (isSilent: () => boolean): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isSuspected = false;
      if (isSilent() && !isClosed) connection.disconnect(true);
    }, limitMs);
    timer.unref();
  };
  let isReady = false;
  connection.on('connect', () => giveUpIf(() => !isReady));
  connection.on('ready', () => {
    isReady = true;
    // Calls of the connection before say nothing about this one.
    answers += 1;
  });
  connection.on('close', () => {
    isReady = false;
    isSuspected = false;
    clearTimeout(timer);
  });

  return {
    mark: () => answers,
    heard: () => {
      answers += 1;
    },
    late: (mark) => {
      if (mark !== answers || isSuspected) return;
      isSuspected = true;
      giveUpIf(() => mark === answers);
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
