// What hot-shots sends over a stream or a Unix datagram socket.  It never waits: a Unix socket holds 10
// datagrams on most machines, so they are as large as DogStatsD's documentation has them there.
const StatsD = require('hot-shots');
const [transport, prefix, number] = process.argv.slice(2);
const client = new StatsD({
  ...JSON.parse(transport), prefix, globalTags: {lang: 'node'}, maxBufferSize: 8192,
  udsGracefulErrorHandling: false,
  errorHandler: (error) => { console.error(error); process.exit(1); },
});
for (let i = 0; i < Number(number); i++) {
  client.increment('hits', 2, {code: String(200 + i % 2)});
  client.timing('time', i % 10);
  client.distribution('size', i);
}
client.gauge('depth', 7);
client.gaugeDelta && client.gaugeDelta('depth', -2);
client.set('users', 'u1');
client.set('users', 'u2');
client.event('deployed', 'version 7');
client.check('alive', client.CHECKS.OK);
client.close((error) => process.exit(error ? 1 : 0));
