import type { PendingMessage, ReceivedMessage, ReceiptEvent } from '../client/src/index.js';
import type { RecordClient } from '../client/src/record/index.js';
import { Composer } from './composer.js';
import { ConnectionView } from './connection-view.js';
import { Conversations } from './conversations.js';
import { at, say } from './dom.js';
import { FramesDrawer } from './frames-drawer.js';
import { changeBy, EVERYONE, keyOf, receivedLine, sentLine, type Line } from './line.js';
import { LinesView } from './lines-view.js';
import { readName } from './names.js';
import { Notifier } from './notifier.js';
import { PageLog } from './page-log.js';
import { PeopleView, titleElement } from './people-view.js';
import { RecordView } from './record-view.js';
import { Siblings } from './siblings.js';
import { refusalText, TEXTS } from './texts.js';
import { TypingView } from './typing-view.js';

/** So many characters of a message are read out. */
const MAX_SPOKEN = 300;

/** The page of one user: what the client reports goes into the conversations and into view, and what is written out. */
export class ChatPage {
  private readonly conversations: Conversations;
  private readonly people: PeopleView;
  private readonly record: RecordView;
  private readonly lines: LinesView;
  private readonly composer: Composer;
  private readonly typing: TypingView;
  private readonly connection: ConnectionView;
  private readonly drawer: FramesDrawer;
  private readonly notifier: Notifier;
  private readonly siblings: Siblings;
  private readonly openedAt = Date.now();
  private open: string | null = null;
  private isLeading = false;
  /** Ids of messages that are lost with the page. */
  private readonly volatile = new Set<string>();

  private constructor(
    private readonly chat: RecordClient,
    private readonly user: string,
    private readonly log: PageLog,
  ) {
    this.conversations = new Conversations(log, {
      onAdded: (line) => this.lines.add(line),
      onChanged: (line) => this.lines.change(line),
      onRemoved: (line) => this.lines.remove(line),
      onMerged: (name) => this.lines.merged(name),
      onListed: () => this.showList(),
    });
    this.people = new PeopleView(user, (name) => this.show(name));
    this.record = new RecordView(chat, this.conversations, user);
    this.lines = new LinesView(
      {
        cancel: (line) => this.cancel(line),
        sendAgain: (line) => this.sendAgain(line),
        progressOf: (line) => this.progressOf(line),
      },
      () => this.read(),
      this.record,
    );
    this.composer = new Composer({
      maxContentBytes: () => chat.maxContentBytes,
      send: (name, content) => this.send(name, content),
      keepDraft: (name, draft) => void this.conversations.draft(name, draft),
      wrote: (draft) => this.typing.wrote(draft),
    });
    this.typing = new TypingView(chat, user);
    this.connection = new ConnectionView(user, chat);
    this.notifier = new Notifier((name) => this.show(name));
    this.siblings = new Siblings(user, {
      read: ({ name, key }) => this.conversations.readUpTo(name, key),
      signedOut: () => location.replace('./'),
      who: () => this.isLeading && this.siblings.tell('leading', { openedAt: this.openedAt, title: document.title }),
      leading: ({ openedAt, title }) => {
        this.isLeading = false;
        this.drawer.showElsewhere(openedAt, title);
      },
    });
    this.drawer = new FramesDrawer(() => this.isLeading || this.siblings.tell('who', {}));
  }

  static async start(chat: RecordClient, user: string): Promise<ChatPage> {
    const log = await PageLog.open(user, () => (at('notice').textContent = TEXTS.notKept));
    const page = new ChatPage(chat, user, log);
    await page.conversations.load();
    page.listen();
    at('join').hidden = true;
    at('chat').hidden = at('menu').hidden = at('actions').hidden = false;
    page.showFromHistory();
    chat.connect();
    return page;
  }

  /** A person has to bring another token. */
  tokenNeeded(): void {
    this.connection.needToken(true);
  }

  tokenGiven(): void {
    this.connection.needToken(false);
    this.chat.connect();
  }

  /**
   * Leaves the page to the next user. `remove` removes what was kept, in all tabs; when something of it may be left, the
   * page stays and asks again.
   */
  async leave(remove: boolean): Promise<void> {
    this.typing.end();
    if (remove && !(await this.remove())) return this.askToLeave(TEXTS.notRemoved(this.user));
    await this.chat.close();
    this.log.end();
    this.siblings.close();
    this.volatile.clear();
    location.replace('./');
  }

  /** Returns whether all that was kept is gone. */
  private async remove(): Promise<boolean> {
    let isGone = true;
    for (const kept of [this.chat, this.log]) await kept.clear().catch(() => (isGone = false));
    this.siblings.tell('signedOut', {});
    return isGone;
  }

  private askToLeave(text: string): void {
    const dialog = at<HTMLDialogElement>('leave');
    at('leave-text').textContent = text;
    dialog.returnValue = ''; // Escape leaves the last choice there.
    dialog.showModal();
  }

  private listen(): void {
    const { chat } = this;
    chat.on('state', (state) => {
      this.connection.show(state);
      this.lines.showProgress();
    });
    chat.on('message', (message) => this.received(message));
    chat.on('sent', (message) => this.sent(message));
    chat.on('receipt', (receipt) => this.receipted(receipt));
    chat.on('caughtUp', ({ delivered }) => delivered > 0 && say(TEXTS.caughtUp(delivered), TEXTS.manyNew));
    chat.on('frame', ({ direction, text }) => {
      if (!this.isLeading) this.siblings.tell('leading', { openedAt: this.openedAt, title: document.title });
      this.isLeading = true;
      this.drawer.add(direction, text);
    });
    chat.on('error', ({ about }) => {
      if (about === 'store') at('notice').textContent = TEXTS.notKept;
    });
    addEventListener('popstate', () => this.showFromHistory());
    addEventListener('beforeunload', (event) => {
      if (this.volatile.size > 0) event.preventDefault();
    });
    document.addEventListener('visibilitychange', () => this.read());
    at('begin').addEventListener('submit', (event) => {
      event.preventDefault();
      this.begin();
    });
    at('back').addEventListener('click', () => (isPushed() ? history.back() : this.show(null)));
    at('sign-out').addEventListener('click', () => this.askToLeave(TEXTS.leave(this.user, chat.pending.length)));
    at('leave').addEventListener('close', () => {
      const choice = at<HTMLDialogElement>('leave').returnValue;
      if (choice === 'remove' || choice === 'keep') void this.leave(choice === 'remove');
    });
  }

  private async received(message: ReceivedMessage): Promise<void> {
    const line = receivedLine(message, this.user, this.chat.now);
    const isNews = line.state === null && !this.conversations.get(line.key);
    const added = this.conversations.add(line);
    if (isNews) {
      this.notifier.notify(line);
      say(TEXTS.saidBy(line.from, line.content.slice(0, MAX_SPOKEN)), TEXTS.manyNew);
      this.read();
    }
    await added;
  }

  private async sent(message: PendingMessage): Promise<void> {
    const ahead = this.chat.now - Date.now();
    const line = sentLine({ ...message, at: message.at + ahead }, this.user);
    if (this.conversations.get(line.key)) await this.conversations.change(line.key, { state: 'pending', at: line.at });
    else await this.conversations.add(line);
  }

  private async receipted(receipt: ReceiptEvent): Promise<void> {
    const key = keyOf(this.user, receipt.id);
    if (receipt.code === 'CANCELLED') return this.conversations.remove(key);
    const change = changeBy(receipt);
    if (change.state === 'refused') say(refusalText(change.code, change.reason), TEXTS.manyRefused);
    await this.conversations.change(key, change);
  }

  private send(name: string, content: string, id?: string): void {
    const sent = name === EVERYONE ? this.chat.broadcast(content, { id }) : this.chat.send(name, content, { id });
    // What was refused says so by its receipt.
    sent.settled.catch(() => undefined).finally(() => this.volatile.delete(sent.id));
    sent.kept.then(({ persistent }) => persistent || this.volatile.add(sent.id)).catch(() => undefined);
  }

  private sendAgain({ conversation, content, id, state }: Line): void {
    // The server remembers the id of what it has accepted, and would not take it a second time.
    const wasAccepted = state !== 'refused' && state !== 'pending';
    this.send(conversation, content, wasAccepted ? undefined : id);
  }

  private cancel({ id, content, conversation }: Line): void {
    const undo = this.chat.on('receipt', (receipt) => {
      if (receipt.id !== id) return;
      undo();
      const isFree = this.open === conversation && this.composer.draft === '';
      if (receipt.code === 'CANCELLED' && isFree) this.composer.setDraft(content);
    });
    this.chat.cancel(id);
  }

  private progressOf({ id, conversation }: Line): 'waiting' | 'sending' | 'unknown' {
    if (this.chat.state.state !== 'online') return 'waiting';
    // What goes to everyone does not survive the page that has sent it.
    const isLost = conversation === EVERYONE && !this.chat.pending.some((pending) => pending.id === id);
    return isLost ? 'unknown' : 'sending';
  }

  private begin(): void {
    const field = at<HTMLInputElement>('name-of-other');
    const { name, problem } = readName(field.value);
    at('begin-error').textContent = problem ?? '';
    if (name === null) return field.focus();
    field.value = '';
    this.show(name);
  }

  /** Opens a conversation; null shows the list, where there is no room for both. */
  private show(name: string | null): void {
    if (name !== history.state?.conversation) {
      const state = { conversation: name, isPushed: name !== null && this.open === null };
      if (state.isPushed) history.pushState(state, '');
      else history.replaceState({ ...state, isPushed: isPushed() }, '');
    }
    this.draw(name);
    // On a phone the keyboard would cover what is to be read first.
    if (name === null) at('name-of-other').focus();
    else if (matchMedia('(pointer: coarse)').matches) at('title').focus();
    else this.composer.focus();
  }

  private showFromHistory(): void {
    const { conversation = null } = (history.state ?? {}) as { conversation?: string | null };
    this.draw(conversation);
    if (conversation === null) at('name-of-other').focus();
  }

  private draw(name: string | null): void {
    const conversation = name === null ? null : this.conversations.of(name);
    this.open = name;
    at('chat').dataset['screen'] = name === null ? 'list' : 'conversation';
    at('conversation').hidden = name === null;
    at('nothing-open').hidden = name !== null;
    at('title').replaceChildren(name === null ? '' : titleElement(name, this.user));
    this.composer.open(name, conversation?.draft ?? '');
    this.typing.open(name);
    this.lines.open(conversation);
    this.record.show(name);
    this.showList();
  }

  private showList(): void {
    this.people.show(
      () => this.conversations.list,
      () => this.open,
    );
    this.notifier.showUnread(this.conversations.unread);
  }

  /** What is in sight of somebody is read, here and in the other tabs. */
  private read(): void {
    const name = this.open;
    if (name === null || !this.lines.isRead) return;
    this.record.read(name);
    void this.conversations.read(name).then((key) => key !== null && this.siblings.tell('read', { name, key }));
  }
}

function isPushed(): boolean {
  return history.state?.isPushed === true;
}
