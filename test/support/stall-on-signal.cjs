// Loaded into a server before it starts: SIGUSR2 keeps its event loop busy for 2.5 seconds.
process.on('SIGUSR2', () => {
  const end = Date.now() + 2_500;
  while (Date.now() < end);
});
