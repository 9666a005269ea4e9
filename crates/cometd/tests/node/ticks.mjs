// Shows what the example server `ticks` publishes: `node ticks.mjs URL [TRANSPORT]`.

import {client, collect} from "./client.mjs";

const [url, transport = "long-polling"] = process.argv.slice(2);
const cometd = await client(url, "anybody", transport);
await collect(cometd, "/ticks/*", {push: ([channel, data]) => console.log(channel, data)});
