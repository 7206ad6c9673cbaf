/** What the tabs of one user tell each other, besides what the client library does. */
export interface SiblingEvents {
  /** A conversation was read up to this line. */
  read: { readonly name: string; readonly key: string | null };
  /** What was kept is removed. */
  signedOut: Readonly<Record<string, never>>;
  /** Which tab has the connection? */
  who: Readonly<Record<string, never>>;
  /** This one: when it was opened, in milliseconds since 1970, and its title. */
  leading: { readonly openedAt: number; readonly title: string };
}

type Handlers = { readonly [E in keyof SiblingEvents]: (data: SiblingEvents[E]) => void };

interface Told {
  /** Tabs may run different versions of this page. */
  readonly version: 1;
  readonly event: keyof SiblingEvents;
  readonly data: never;
}

/** The other tabs with this page and this user. */
export class Siblings {
  private readonly channel: BroadcastChannel;

  constructor(user: string, handlers: Handlers) {
    this.channel = new BroadcastChannel(`page:${new URL('.', location.href).pathname}:${user}`);
    this.channel.onmessage = ({ data: told }: MessageEvent<Partial<Told>>) => {
      if (told.version === 1 && told.event && Object.hasOwn(handlers, told.event)) handlers[told.event](told.data!);
    };
  }

  tell<E extends keyof SiblingEvents>(event: E, data: SiblingEvents[E]): void {
    this.channel.postMessage({ version: 1, event, data });
  }

  close(): void {
    this.channel.close();
  }
}
