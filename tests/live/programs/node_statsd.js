// What node-statsd sends: one line a datagram, several names at once, tags.
const StatsD = require('node-statsd');
const [port, number] = process.argv.slice(2).map(Number);
const client = new StatsD({host: '127.0.0.1', port, prefix: 'nodestatsd.'});
let waiting = 0;
const sent = (error) => {
  if (error) process.exit(1);
  if (--waiting === 0) client.close();
};
const send = (method, ...given) => {
  waiting++;
  client[method](...given, 1, ['lang:node'], sent);
};
for (let i = 0; i < number; i++) {
  send('increment', 'hits', 2);
  send('timing', 'time', i % 10);
}
send('increment', ['one', 'other'], 5);
send('decrement', 'balance', 3);
send('gauge', 'depth', 7);
send('unique', 'users', 'u1');
send('unique', 'users', 'u2');
