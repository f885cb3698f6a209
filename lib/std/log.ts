/** One line per event: level, message, fields. Where lines go is the caller's choice. */
export type Level = 'debug' | 'info' | 'warning' | 'error';
export type Fields = Record<string, unknown>;

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warning(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export function logTo(sink: (level: Level, line: string) => void): Log {
  const write = (level: Level) => (message: string, fields?: Fields) => {
    sink(level, fields === undefined ? message : `${message} ${formatFields(fields)}`);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warning: write('warning'),
    error: write('error'),
  };
}

/** Plain lines with time and level on a stream, as a service under a log collector writes them. */
export function streamLog(stream: { write(text: string): unknown }): Log {
  return logTo((level, line) => {
    stream.write(`${new Date().toISOString()} ${level.toUpperCase()} ${line}\n`);
  });
}

function formatFields(fields: Fields): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
