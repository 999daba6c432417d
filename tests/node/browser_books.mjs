// Opens page.mjs in a real browser and prints what it reports. Arguments: the tickers; none subscribes to what is public.
//
// Environment: CHROMIUM (its path), AUGURY_WS, and for a signed socket AUGURY_KEY_ID and AUGURY_KEY_FILE.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

// The page comes from a server of its own: it is not of the exchange's origin, like anybody's page. It is on this
// machine, because a page from elsewhere may reach local servers only if the person in front of it agrees.
const site = createServer((request, response) => {
  const name = request.url.slice(1);
  if (name === "") {
    response.setHeader("Content-Type", "text/html");
    response.end('<!doctype html><script type="module" src="page.mjs"></script>');
  } else if (["page.mjs", "book.mjs"].includes(name)) {
    response.setHeader("Content-Type", "text/javascript");
    response.end(readFileSync(new URL(name, import.meta.url)));
  } else {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
process.on("SIGTERM", async () => {
  await browser.close();
  process.exit(0);
});

const page = await browser.newPage();
page.on("pageerror", (error) => console.error(String(error)));
page.on("console", (message) => console.error(message.text()));
await page.exposeFunction("report", (line) => console.log(line));
await page.goto(`http://127.0.0.1:${site.address().port}/`);
await page.waitForFunction(() => window.start);

const keyId = process.env.AUGURY_KEY_ID;
const tickers = process.argv.slice(2);
await page.evaluate((given) => window.start(given), {
  url: process.env.AUGURY_WS,
  keyId,
  pem: keyId ? readFileSync(process.env.AUGURY_KEY_FILE, "utf8") : "",
  params: tickers.length
    ? { channels: ["orderbook_delta"], market_tickers: tickers }
    : { channels: ["ticker", "trade"] },
});
