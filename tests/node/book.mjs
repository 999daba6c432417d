// A client's books, rebuilt from the channel orderbook_delta alone. The same file runs in Node.js and in a browser.

// Contracts come with two decimals; whole numbers of hundredths add up exactly.
const lots = (count) => Math.round(Number(count) * 100);

export class Books {
  constructor() {
    this.books = {};
    this.seq = 0;
  }

  // Returns whether the message changed a book. Throws when the stream has a gap.
  read(message) {
    if (message.seq !== undefined) {
      if (message.seq !== this.seq + 1) {
        throw new Error(`seq ${message.seq} after ${this.seq}`);
      }
      this.seq = message.seq;
    }
    if (message.type === "orderbook_snapshot") this.#snapshot(message.msg);
    else if (message.type === "orderbook_delta") this.#delta(message.msg);
    else return false;
    return true;
  }

  #snapshot(msg) {
    const levels = (side) =>
      Object.fromEntries((msg[side] ?? []).map(([price, count]) => [price, lots(count)]));
    this.books[msg.market_ticker] = {
      yes: levels("yes_dollars_fp"),
      no: levels("no_dollars_fp"),
    };
  }

  #delta(msg) {
    const side = this.books[msg.market_ticker][msg.side];
    const total = (side[msg.price_dollars] ?? 0) + lots(msg.delta_fp);
    if (total < 0) throw new Error(`a level below zero: ${JSON.stringify(msg)}`);
    if (total === 0) delete side[msg.price_dollars];
    else side[msg.price_dollars] = total;
  }
}
