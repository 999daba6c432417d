// Rebuilds books with the package `ws`. Arguments: the tickers. Each line of output is what one message was and what
// the client's books are after it.
//
// Environment: AUGURY_WS, AUGURY_KEY_ID and AUGURY_KEY_FILE, a PEM file.

import { constants, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { Books } from "./book.mjs";

const url = process.env.AUGURY_WS;
const tickers = process.argv.slice(2);

function headers() {
  const timestamp = String(Date.now());
  const signature = sign("sha256", Buffer.from(`${timestamp}GET${new URL(url).pathname}`), {
    key: readFileSync(process.env.AUGURY_KEY_FILE),
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
  return {
    "KALSHI-ACCESS-KEY": process.env.AUGURY_KEY_ID,
    "KALSHI-ACCESS-TIMESTAMP": timestamp,
    "KALSHI-ACCESS-SIGNATURE": signature.toString("base64"),
  };
}

const books = new Books();
const socket = new WebSocket(url, { headers: headers() });

socket.on("open", () => {
  const params = { channels: ["orderbook_delta"], market_tickers: tickers };
  socket.send(JSON.stringify({ id: 1, cmd: "subscribe", params }));
});
socket.on("ping", (body) => console.log(JSON.stringify({ ping: body.toString() })));
socket.on("message", (text) => {
  const message = JSON.parse(text);
  books.read(message);
  console.log(JSON.stringify({ message, books: books.books }));
});
socket.on("close", (code, reason) => {
  console.log(JSON.stringify({ closed: code, reason: reason.toString() }));
});
