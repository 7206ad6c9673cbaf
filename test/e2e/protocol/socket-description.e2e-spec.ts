import { describeSocket } from '../../../src/openapi.js';
import { ChatApp } from '../../support/chat-app.js';

const TOKEN = 'a-token-of-an-administrator-of-32-characters';

describe('the AsyncAPI document', () => {
  let chat: ChatApp;
  afterEach(() => chat.dispose());

  it('is served beside the OpenAPI document, to administrators', async () => {
    chat = await ChatApp.start({ adminToken: TOKEN, authenticate: () => null });
    for (const path of ['/docs-asyncapi', '/docs-json']) {
      expect((await chat.rest('GET', path)).status).toBe(401);
      expect((await chat.rest('GET', path, undefined, TOKEN)).status).toBe(200);
    }
    const { body } = await chat.rest('GET', '/docs-asyncapi', undefined, TOKEN);
    const { info } = body as { info: { version: string } };
    expect(body).toEqual(JSON.parse(JSON.stringify(describeSocket({ path: '/chat', version: info.version }))));
  });
});
