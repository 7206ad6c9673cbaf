import { Logger } from '@nestjs/common';
import { Emitter } from '../options/emitter.js';
import type { ClusterNode } from './cluster-node.js';
import { ClusterNodes } from './cluster-nodes.js';

function open() {
  const emitter = new Emitter<unknown>(new Logger('Test'), 'test');
  const linked = new Set<number>();
  const view = { version: 0, nodes: [] as { id: number }[], owners: [] };
  const membership = {
    acquired: emitter,
    asked: emitter,
    fenced: emitter,
    changed: emitter,
    state: 'member',
    holdsLease: true,
    self: 2,
    view,
  };
  const links = { to: (node: number) => (linked.has(node) ? {} : null) };
  const nodes = new ClusterNodes({ membership, links } as unknown as ClusterNode, {} as never);
  return { nodes, view, linked };
}

describe('a node', () => {
  it('is not ready before it has read who else is there, and has a link to each; then a dead one changes nothing', () => {
    const { nodes, view, linked } = open();
    expect(nodes.isReady).toBe(false);
    view.nodes = [{ id: 1 }, { id: 2 }];
    expect(nodes.isReady).toBe(false);
    linked.add(1);
    expect(nodes.isReady).toBe(true);
    linked.clear();
    expect(nodes.isReady).toBe(true);
  });
});
