import { ChatApp } from '../support/chat-app.js';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z:/;

describe('the text protocol', () => {
  let chat: ChatApp;
  beforeEach(async () => {
    chat = await ChatApp.start();
  });
  afterEach(() => chat.dispose());

  it('relays `to|content` to the one named', async () => {
    const alice = await chat.connect('alice');
    const bob = await chat.connect('bob');
    alice.send('bob|hello');
    expect(await bob.next()).toBe('hello');
  });
});
