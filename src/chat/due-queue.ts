/**
 * Items in the order of the times at which they are due: a binary heap that knows where each item is, so that a time
 * can be changed. One timer for the first of them serves all.
 */
export class DueQueue<Item> {
  private readonly heap: { readonly item: Item; readonly at: number }[] = [];
  private readonly places = new Map<Item, number>();

  /** When the first item is due; null when there is none. */
  get firstAt(): number | null {
    return this.heap[0]?.at ?? null;
  }

  /** Adds the item, or changes when it is due. */
  set(item: Item, at: number): void {
    this.delete(item);
    this.heap.push({ item, at });
    this.rise(this.heap.length - 1);
  }

  delete(item: Item): void {
    const place = this.places.get(item);
    if (place === undefined) return;
    this.places.delete(item);
    const last = this.heap.pop()!;
    if (last.item === item) return;
    this.put(last, place);
    this.rise(place);
    this.sink(this.places.get(last.item)!);
  }

  /** Removes and returns what is due at that time: at most `limit` items, in order. */
  take(now: number, limit: number): Item[] {
    const items: Item[] = [];
    for (let [first] = this.heap; first && first.at <= now && items.length < limit; [first] = this.heap) {
      items.push(first.item);
      this.delete(first.item);
    }
    return items;
  }

  private put(node: { readonly item: Item; readonly at: number }, place: number): void {
    this.heap[place] = node;
    this.places.set(node.item, place);
  }

  private rise(place: number): void {
    const node = this.heap[place]!;
    for (let above = (place - 1) >> 1; place > 0 && this.heap[above]!.at > node.at; above = (place - 1) >> 1) {
      this.put(this.heap[above]!, place);
      place = above;
    }
    this.put(node, place);
  }

  private sink(place: number): void {
    const node = this.heap[place]!;
    for (;;) {
      let below = 2 * place + 1;
      if (below + 1 < this.heap.length && this.heap[below + 1]!.at < this.heap[below]!.at) below += 1;
      if (below >= this.heap.length || this.heap[below]!.at >= node.at) break;
      this.put(this.heap[below]!, place);
      place = below;
    }
    this.put(node, place);
  }
}
