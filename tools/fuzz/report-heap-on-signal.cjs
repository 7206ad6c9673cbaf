// Loaded into a server before it starts. At SIGWINCH, which nothing else listens to, it collects its garbage and writes
// what is left.
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGWINCH', () => {
  // Each in its own turn, because what a callback used is garbage only after it.
  setImmediate(() => {
    collect();
    setImmediate(() => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      process.stdout.write(`retained ${heapUsed + external}\n`);
    });
  });
});
