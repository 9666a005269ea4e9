// What the official client must see of the server that `official_client.rs` runs: `node official.mjs BASE TRANSPORT`.

import assert from "node:assert/strict";

import {client, collect, until} from "./client.mjs";

const [base, transport] = process.argv.slice(2);
const url = `${base}/bayeux`;

/** An order to the test's server, which lies beside the Bayeux URL. */
async function order(path) {
    const answer = await fetch(`${base}${path}`, {method: "POST"});
    assert.equal(answer.status, 200);
    return answer.text();
}

const publish = (user, channel, first, count = 1) =>
    order(`/publish?user=${user}&channel=${channel}&first=${first}&count=${count}`);

const disconnected = cometd => new Promise(done => cometd.disconnect(done));

const cases = {
    async "wildcards match one level or all"() {
        const ada = await client(url, "ada", transport);
        const one = await collect(ada, "/v2/me/*");
        const deep = await collect(ada, "/deep/**");
        const exact = await collect(ada, "/v2/me");
        for (const [number, channel] of ["/v2/me", "/v2/me/devices", "/v2/me/a/b", "/deep/a/b", "/deep/c"].entries()) {
            await publish("ada", channel, number);
        }
        await publish("bob", "/v2/me/devices", 99);
        await until("the deep channels", () => deep.length === 2);
        assert.deepEqual(one, [["/v2/me/devices", 1]]);
        assert.deepEqual(deep, [["/deep/a/b", 3], ["/deep/c", 4]]);
        assert.deepEqual(exact, [["/v2/me", 0]]);
        await disconnected(ada);
    },

    async "what is refused is said"() {
        const ada = await client(url, "ada", transport);
        await assert.rejects(collect(ada, "/secret/*"), /403::/);
        const reply = await new Promise(done => ada.publish("/v2/me", {a: 1}, done));
        assert.match(reply.error, /^403::/);
        await disconnected(ada);
    },

    async "a batch is answered as a whole"() {
        const ada = await client(url, "ada", transport);
        const subscribed = [];
        ada.batch(() => {
            for (const channel of ["/a", "/b/*", "/c/**"]) {
                ada.subscribe(channel, () => {}, reply => subscribed.push(reply.subscription));
            }
        });
        await until("three replies", () => subscribed.length === 3);
        assert.deepEqual(subscribed, ["/a", "/b/*", "/c/**"]);
        await disconnected(ada);
    },

    async "an unsubscribed channel is silent"() {
        const ada = await client(url, "ada", transport);
        const seen = [];
        const subscription = ada.subscribe("/a", it => seen.push(it.data));
        const others = await collect(ada, "/b");
        await publish("ada", "/a", 1);
        await until("the first message", () => seen.length === 1);
        await new Promise(done => ada.unsubscribe(subscription, done));
        await publish("ada", "/a", 2);
        await publish("ada", "/b", 3);
        await until("the other channel", () => others.length === 1);
        assert.deepEqual(seen, [1]);
        await disconnected(ada);
    },

    async "500 messages keep their order"() {
        const ada = await client(url, "ada", transport);
        const seen = await collect(ada, "/v2/me/*");
        await publish("ada", "/v2/me/calls", 0, 200);
        for (let first = 200; first < 500; first += 10) {
            await publish("ada", "/v2/me/calls", first, 10);
        }
        await until("all of them", () => seen.length >= 500);
        assert.deepEqual(seen.map(it => it[1]), [...Array(500).keys()]);
        await disconnected(ada);
    },

    async "clients that share cookies do not disturb each other"() {
        const replies = [];
        const listen = cometd => cometd.addListener("/meta/connect", it => replies.push(it));
        const tabs = await Promise.all(["ada", "ada", "bob", "bob"].map(it => client(url, it, transport)));
        tabs.forEach(listen);
        const seen = await Promise.all(tabs.map(it => collect(it, "/v2/me/*")));
        for (let round = 0; round < 20; round++) {
            await publish("ada", "/v2/me/calls", round);
            await publish("bob", "/v2/me/calls", 100 + round);
            await until("this round", () => seen.every(it => it.length === round + 1));
        }
        assert.ok(seen[0].every((it, round) => it[1] === round));
        assert.ok(seen[3].every((it, round) => it[1] === 100 + round));
        assert.ok(replies.every(it => it.successful && !it.advice?.["multiple-clients"]), JSON.stringify(replies));
        await Promise.all(tabs.map(disconnected));
    },

    async "a fifth tab is served too"() {
        const replies = [];
        const tabs = await Promise.all(Array.from({length: 5}, () => client(url, "ada", transport,
            cometd => cometd.addListener("/meta/connect", it => replies.push(it)))));
        const seen = await Promise.all(tabs.map(it => collect(it, "/v2/me/*")));
        if (transport === "long-polling") {
            await until("the advice", () => replies.some(it => it.advice?.["multiple-clients"]));
        }
        await publish("ada", "/v2/me/calls", 0, 3);
        await until("all five", () => seen.every(it => it.length === 3));
        await Promise.all(tabs.map(disconnected));
    },

    async "a client whose session is gone shakes hands again by itself"() {
        const seen = [];
        let handshakes = 0;
        const ada = await client(url, "ada", transport, cometd => {
            handshakes++;
            cometd.subscribe("/v2/me/*", it => seen.push(it.data));
        });
        for (let round = 1; round <= 3; round++) {
            await until("the subscription", async () => {
                await publish("ada", "/v2/me/calls", round);
                return seen.includes(round);
            });
            await order("/end?user=ada");
            await until("another handshake", () => handshakes > round);
        }
        await disconnected(ada);
    },

    async "an idle connect is answered and followed by the next"() {
        let connects = 0;
        const ada = await client(url, "ada", transport,
            cometd => cometd.addListener("/meta/connect", it => connects += it.successful ? 1 : -1000));
        await until("three connects", () => connects >= 3);
        await disconnected(ada);
    },

    async "a client that disconnects leaves nothing behind"() {
        await until("no session", async () => await order("/sessions") === "0");
        const ada = await client(url, "ada", transport);
        assert.equal(await order("/sessions"), "1");
        await disconnected(ada);
        assert.equal(await order("/sessions"), "0");
    },
};

for (const [name, run] of Object.entries(cases)) {
    console.log(`${transport}: ${name}`);
    await run();
}
// Keep-alive connections would hold the process up.
process.exit(0);
