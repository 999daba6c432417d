// What a page of somebody's own does with nothing but what browsers have: it signs with Web Crypto, opens a socket and
// rebuilds books. A browser's socket takes no headers, so they go into the query.

import { Books } from "./book.mjs";

const PSS = { name: "RSA-PSS", saltLength: 32 };

async function signed(url, keyId, pem) {
  const der = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (c) => c.charCodeAt(0));
  const usage = { name: "RSA-PSS", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", der, usage, false, ["sign"]);
  const timestamp = String(Date.now());
  const text = new TextEncoder().encode(`${timestamp}GET${new URL(url).pathname}`);
  const signature = new Uint8Array(await crypto.subtle.sign(PSS, key, text));
  const query = new URLSearchParams({
    "KALSHI-ACCESS-KEY": keyId,
    "KALSHI-ACCESS-TIMESTAMP": timestamp,
    "KALSHI-ACCESS-SIGNATURE": btoa(String.fromCharCode(...signature)),
  });
  return `${url}?${query}`;
}

// `report` is given by the test's browser; it takes one line of text.
window.start = async ({ url, keyId, pem, params }) => {
  const socket = new WebSocket(keyId ? await signed(url, keyId, pem) : url);
  const books = new Books();
  socket.onopen = () => socket.send(JSON.stringify({ id: 1, cmd: "subscribe", params }));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    books.read(message);
    report(JSON.stringify({ message, books: books.books }));
  };
  socket.onclose = ({ code, reason }) => report(JSON.stringify({ closed: code, reason }));
};
