import { at, element } from './dom.js';
import { copyText } from './line-row.js';
import { exactTimeOf, FIXED, TEXTS } from './texts.js';

/** So many frames are kept and shown, the newest. */
const MAX_FRAMES = 500;
/** So much of a long frame is shown. Copying takes all of it. */
const MAX_SHOWN = 2_000;

interface Frame {
  readonly direction: 'in' | 'out';
  readonly text: string;
  readonly at: number;
}

/** The frames as they go over the wire, for those who learn the protocol. */
export class FramesDrawer {
  private frames: Frame[] = [];
  private isPaused = false;
  private drawn = 0;
  private scheduled = false;

  /** `onOpened` asks which tab has the connection. */
  constructor(private readonly onOpened: () => void) {
    at('frames').addEventListener('click', () => (at('drawer').hidden ? this.open() : this.close()));
    at('frames-close').addEventListener('click', () => this.close());
    at('frames-pause').addEventListener('click', () => this.setPaused(!this.isPaused));
    at('frames-empty').addEventListener('click', () => {
      this.frames = [];
      this.redraw();
    });
    at('frames-copy').addEventListener('click', () => {
      const text = this.frames.map((frame) => `${exactTimeOf(frame.at)} ${arrowOf(frame)} ${frame.text}`).join('\n');
      void copyText(text).then((done) => {
        if (!done) return;
        at('frames-copy').textContent = TEXTS.copied;
        setTimeout(() => (at('frames-copy').textContent = FIXED['copyAll']!), 2_000);
      });
    });
    at('drawer').addEventListener('keydown', (event) => event.key === 'Escape' && this.close());
  }

  add(direction: Frame['direction'], text: string): void {
    at('frames-note').hidden = true;
    if (this.isPaused) return;
    this.frames.push({ direction, text, at: Date.now() });
    if (this.frames.length > MAX_FRAMES) {
      this.frames.shift();
      this.drawn = Math.max(0, this.drawn - 1);
      if (!at('drawer').hidden && at('frame-rows').childElementCount > this.drawn)
        at('frame-rows').firstElementChild?.remove();
    }
    this.schedule();
  }

  /** Another tab has the connection, and shows the frames. */
  showElsewhere(openedAt: number, title: string): void {
    at('frames-note').hidden = false;
    at('frames-note').textContent = TEXTS.framesAreIn(openedAt, title);
  }

  private open(): void {
    at('drawer').hidden = false;
    at('frames').setAttribute('aria-expanded', 'true');
    this.redraw();
    at('frames-close').focus();
    this.onOpened();
  }

  private close(): void {
    at('drawer').hidden = true;
    at('frames').setAttribute('aria-expanded', 'false');
    at('frames').focus();
  }

  private setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    at('frames-pause').textContent = isPaused ? TEXTS.framesResume : FIXED['pause']!;
    at('frames-pause').setAttribute('aria-pressed', String(isPaused));
  }

  private redraw(): void {
    at('frame-rows').replaceChildren();
    this.drawn = 0;
    this.draw();
  }

  private schedule(): void {
    if (this.scheduled || at('drawer').hidden) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  private draw(): void {
    const list = at('frame-list');
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    at('frame-rows').append(...this.frames.slice(this.drawn).map(rowOf));
    this.drawn = this.frames.length;
    at('no-frames').hidden = this.frames.length > 0;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }
}

function arrowOf({ direction }: Frame): string {
  return direction === 'out' ? '→' : '←';
}

function rowOf(frame: Frame): HTMLLIElement {
  const { direction, text, at: moment } = frame;
  const shown = text.length > MAX_SHOWN ? TEXTS.cutFrame(text.slice(0, MAX_SHOWN), text.length - MAX_SHOWN) : text;
  const spoken = direction === 'out' ? TEXTS.frameSent : TEXTS.frameReceived;
  const about = element(
    'p',
    { className: 'about' },
    element('span', { className: 'arrow', textContent: arrowOf(frame), aria: { hidden: 'true' } }),
    element('span', { textContent: ` ${spoken} · ` }),
    element('time', { dateTime: new Date(moment).toISOString(), textContent: exactTimeOf(moment) }),
    ` · ${TEXTS.frameBytes(new TextEncoder().encode(text).length)}`,
  );
  return element('li', { className: `frame ${direction}` }, about, element('code', { dir: 'ltr', textContent: shown }));
}
