import type { NodeInfo } from './membership.js';

/** The row of a slot. */
export interface SlotRow {
  readonly slot: number;
  /** The node that it belongs to; null when it belongs to none. */
  readonly node: number | null;
  /** The node that is to have it; its owner is to hand it over. */
  readonly wanted: number | null;
}

/**
 * Returns the rows that have to change, so that no slot belongs to a node that is not there, none is wanted for a node
 * that is dead or leaving, all slots of leaving nodes are wanted by others, and in the end all nodes that stay have the
 * same number, or one more. `atOnce` slots may be on their way to a node, and from a node that stays.
 */
export function spread(rows: readonly SlotRow[], nodes: readonly NodeInfo[], atOnce: number): SlotRow[] {
  const plan = new Plan(rows, nodes);
  plan.giveFree();
  plan.emptyLeaving();
  plan.even(atOnce);
  return plan.changes();
}

interface Draft {
  readonly slot: number;
  node: number | null;
  wanted: number | null;
}

/** A node that stays. */
interface Share {
  readonly id: number;
  /** How many slots it has when all that are wanted were handed over. */
  future: number;
  coming: number;
  going: number;
}

class Plan {
  private readonly drafts: readonly Draft[];
  private readonly shares: readonly Share[];

  constructor(
    private readonly rows: readonly SlotRow[],
    private readonly nodes: readonly NodeInfo[],
  ) {
    const ids = nodes.map(({ id }) => id).sort((a, b) => a - b);
    const staying = ids.filter((id) => nodes.some((node) => node.id === id && !node.isLeaving));
    this.drafts = rows.map(({ slot, node, wanted }) => {
      const owner = node !== null && ids.includes(node) ? node : null;
      const next = wanted !== null && staying.includes(wanted) && wanted !== owner ? wanted : null;
      return owner === null ? { slot, node: next, wanted: null } : { slot, node: owner, wanted: next };
    });
    this.shares = staying.map((id) => ({
      id,
      future: this.count((draft) => (draft.wanted ?? draft.node) === id),
      coming: this.count((draft) => draft.wanted === id),
      going: this.count((draft) => draft.node === id && draft.wanted !== null),
    }));
  }

  /** While nobody stays, a slot without an owner has none. */
  giveFree(): void {
    for (const draft of this.drafts) {
      if (draft.node !== null) continue;
      const share = fewest(this.shares);
      if (!share) return;
      share.future += 1;
      draft.node = share.id;
    }
  }

  emptyLeaving(): void {
    const leaving = this.nodes.filter(({ isLeaving }) => isLeaving).map(({ id }) => id);
    for (const draft of this.drafts) {
      if (draft.node === null || !leaving.includes(draft.node) || draft.wanted !== null) continue;
      const share = fewest(this.shares);
      if (share) this.want(draft, share);
    }
  }

  even(atOnce: number): void {
    for (;;) {
      const to = fewest(this.shares.filter(({ coming }) => coming < atOnce));
      const from = this.shares
        .filter(({ id, going }) => going < atOnce && this.spareOf(id) !== undefined)
        .reduce<Share | null>((most, share) => (most && most.future >= share.future ? most : share), null);
      if (!to || !from || from.future - to.future <= 1) return;
      from.future -= 1;
      from.going += 1;
      this.want(this.spareOf(from.id)!, to);
    }
  }

  changes(): SlotRow[] {
    return this.drafts.filter((draft, index) => {
      const { node, wanted } = this.rows[index]!;
      return draft.node !== node || draft.wanted !== wanted;
    });
  }

  private want(draft: Draft, share: Share): void {
    share.future += 1;
    share.coming += 1;
    draft.wanted = share.id;
  }

  private spareOf(id: number): Draft | undefined {
    return this.drafts.find(({ node, wanted }) => node === id && wanted === null);
  }

  private count(claim: (draft: Draft) => boolean): number {
    return this.drafts.reduce((sum, draft) => sum + (claim(draft) ? 1 : 0), 0);
  }
}

function fewest(shares: readonly Share[]): Share | null {
  return shares.reduce<Share | null>((least, share) => (least && least.future <= share.future ? least : share), null);
}
