import { at } from './dom.js';
import type { Line } from './line.js';
import { titleOf } from './people-view.js';
import { TEXTS } from './texts.js';

/** Kept in the browser once somebody has asked for notifications. */
const WISH = 'holdfast:notify';
const MAX_BODY = 200;

/** Says that something came while nobody looks: in the title, on the icon, and in a notification if asked for. */
export class Notifier {
  private isOn = false;

  constructor(private readonly onChosen: (conversation: string) => void) {
    const isPossible = typeof Notification === 'function';
    at('notify').hidden = !isPossible;
    if (!isPossible) return;
    this.isOn = wished() && Notification.permission === 'granted';
    at('notify').addEventListener('click', () => void this.toggle());
    this.draw();
  }

  showUnread(count: number): void {
    document.title = TEXTS.title(count);
    const icon = at<HTMLLinkElement>('icon');
    const href = count > 0 ? 'icon-new.svg' : 'icon.svg';
    if (icon.getAttribute('href') !== href) icon.href = href;
  }

  /** The same message in several tabs is one notification. */
  notify({ key, from, conversation, content }: Line): void {
    if (!this.isOn || !document.hidden) return;
    const title = from === conversation ? from : TEXTS.saidBy(titleOf(conversation), from);
    try {
      const notification = new Notification(title, { body: content.slice(0, MAX_BODY), tag: key, icon: 'icon.svg' });
      notification.onclick = () => {
        window.focus();
        this.onChosen(conversation);
        notification.close();
      };
    } catch {
      this.isOn = false; // Chrome on Android has them only for service workers.
    }
  }

  private async toggle(): Promise<void> {
    const permission = this.isOn ? 'default' : await Notification.requestPermission();
    this.isOn = permission === 'granted';
    keepWish(this.isOn);
    this.draw();
    at('notice').textContent = permission === 'denied' ? TEXTS.notificationsDenied : '';
  }

  private draw(): void {
    at('notify').setAttribute('aria-pressed', String(this.isOn));
  }
}

function wished(): boolean {
  try {
    return localStorage.getItem(WISH) === 'yes';
  } catch {
    return false; // The browser lets this page keep nothing.
  }
}

function keepWish(isOn: boolean): void {
  try {
    if (isOn) localStorage.setItem(WISH, 'yes');
    else localStorage.removeItem(WISH);
  } catch {
    at('notice').textContent = TEXTS.notKept;
  }
}
