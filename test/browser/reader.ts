import type { Locator, Page } from 'playwright-core';

/** A person in front of the page. */
export class Reader {
  constructor(
    readonly page: Page,
    readonly name: string,
  ) {}

  get status(): Locator {
    return this.page.locator('#status');
  }

  /** The messages of the open conversation. */
  get rows(): Locator {
    return this.page.locator('#rows .message');
  }

  get field(): Locator {
    return this.page.locator('#content');
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  async connect(): Promise<void> {
    await this.page.getByLabel('Your name').fill(this.name);
    await this.button('Connect').click();
  }

  async connectWith(token: string): Promise<void> {
    await this.page.getByLabel('Your token').fill(token);
    await this.page.locator('#join').getByRole('button', { name: 'Connect' }).click();
  }

  /** Its entry in the list of conversations; null is everyone's. */
  person(name: string | null): Locator {
    const who = this.page.locator('.who').getByText(name ?? 'Everyone', { exact: true });
    return this.page.locator('.person').filter({ has: who });
  }

  /** Waits until this conversation is in the list, and opens it. */
  async opens(name: string | null): Promise<void> {
    await this.person(name).click();
    await this.page
      .locator('#title')
      .getByText(name ?? 'Everyone', { exact: true })
      .waitFor();
  }

  /** Begins a conversation, or opens the one that there is. */
  async begins(name: string): Promise<void> {
    const field = this.page.getByLabel('New conversation with');
    await field.fill(name);
    await field.press('Enter');
  }

  async write(to: string | null, content: string): Promise<void> {
    const title = await this.page.locator('#title').textContent();
    if (to === null) await this.opens(null);
    else if (title !== to) await this.begins(to);
    await this.field.fill(content);
    await this.field.press('Enter');
  }

  async untilStatus(text: string | RegExp): Promise<void> {
    await this.status.filter({ hasText: text }).waitFor();
  }

  /** Waits for a row that shows all of these. */
  async sees(...texts: (string | RegExp)[]): Promise<Locator> {
    const row = texts.reduce<Locator>((rows, hasText) => rows.filter({ hasText }), this.rows);
    await row.waitFor();
    return row;
  }

  async contents(): Promise<string[]> {
    return this.page.locator('#rows .content').allTextContents();
  }

  async disconnect(): Promise<void> {
    await this.button('Disconnect').click();
    await this.untilStatus('offline: you disconnected');
  }

  /** Another tab of the same browser, with this page in it. */
  async openTab(): Promise<Reader> {
    const page = await this.page.context().newPage();
    await page.goto(this.page.url());
    return new Reader(page, this.name);
  }
}
