// Loaded into a server before it starts: SIGWINCH, which nothing else listens to, makes it collect its garbage and write what is left.
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGWINCH', () => {
  // In turns of their own: what ends with a callback is garbage only after it.
  setImmediate(() => {
    collect();
    setImmediate(() => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      process.stdout.write(`retained ${heapUsed + external}\n`);
    });
  });
});
