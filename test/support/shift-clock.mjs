// Loaded into a server before it starts: the time of day is wrong by CLOCK_SHIFT_MS.
const shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0);
if (shiftMs !== 0) {
  const { now } = Date;
  globalThis.Date = class extends Date {
    constructor(...given) {
      super(...(given.length > 0 ? given : [now() + shiftMs]));
    }

    static now() {
      return now() + shiftMs;
    }
  };
}
