// The page at `/`: asks who somebody is, and begins the chat.

import type { ClientOptions } from '../client/src/index.js';
import { createClient } from '../client/src/record/index.js';
import { ChatPage } from './chat-page.js';
import { at, fillTexts } from './dom.js';
import { askForName, fetchSettings, type Settings } from './joining.js';
import { TEXTS } from './texts.js';
import { TokenDesk } from './token-desk.js';

fillTexts();
openMenu();
at('join').addEventListener('submit', (event) => event.preventDefault());

const settings = await fetchSettings();
if (settings === null) sayThatNothingIsKnown();
else await join(settings);

function sayThatNothingIsKnown(): void {
  at('status').dataset['state'] = 'stopped';
  at('status').textContent = TEXTS.noSettings;
  at('connect').textContent = TEXTS.loadAgain;
  at('connect').hidden = false;
  at('connect').onclick = () => location.reload();
}

async function join({ path, users, userClaim = 'sub' }: Settings): Promise<void> {
  const byToken = users === 'token';
  at('by-name').hidden = at<HTMLFieldSetElement>('by-name').disabled = byToken;
  at('by-token').hidden = at<HTMLFieldSetElement>('by-token').disabled = !byToken;
  at('join').hidden = false;
  at(byToken ? 'token' : 'name').focus();
  const url = new URL(`.${path}`, location.href);
  if (byToken) joinByToken({ url, tabs: 'shared' }, userClaim);
  else {
    const user = await askForName();
    await ChatPage.start(createClient({ url, user, tabs: 'shared' }), user);
  }
}

function joinByToken(options: ClientOptions, userClaim: string): void {
  let page: Promise<ChatPage> | null = null;
  const desk: TokenDesk = new TokenDesk(userClaim, {
    onGiven(user) {
      if (page) return void page.then((started) => started.tokenGiven());
      const chat = createClient({ ...options, user, token: ({ reason }) => desk.give(reason) });
      chat.on('state', (state) => desk.told(state));
      page = ChatPage.start(chat, user);
    },
    onAsked: () => void page?.then((started) => started.tokenNeeded()),
  });
}

/** On a phone the actions are a menu. */
function openMenu(): void {
  const setOpen = (isOpen: boolean) => {
    at('actions').classList.toggle('open', isOpen);
    at('menu').setAttribute('aria-expanded', String(isOpen));
  };
  at('menu').addEventListener('click', () => setOpen(!at('actions').classList.contains('open')));
  document.addEventListener('click', ({ target }) => {
    if (target !== at('menu')) setOpen(false);
  });
  document.addEventListener('keydown', ({ key }) => key === 'Escape' && setOpen(false));
}
