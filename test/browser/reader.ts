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

  get rows(): Locator {
    return this.page.getByRole('log', { name: 'Messages' }).getByRole('listitem');
  }

  async connect(): Promise<void> {
    await this.page.getByLabel('Your name').fill(this.name);
    await this.page.getByRole('button', { name: 'Connect' }).click();
  }

  async connectWith(token: string): Promise<void> {
    await this.page.getByLabel('Your token').fill(token);
    await this.page.getByRole('button', { name: 'Connect' }).click();
  }

  async write(to: string | null, content: string): Promise<void> {
    if (to === null) await this.page.getByLabel('To everyone').check();
    else await this.page.getByLabel('Name of the recipient').fill(to);
    const field = this.page.getByRole('textbox', { name: 'Message', exact: true });
    await field.fill(content);
    await field.press('Enter');
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
    return this.page.locator('.content').allTextContents();
  }
}
