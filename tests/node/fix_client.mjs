// A FIX client with the engine jspurefix over TLS, steered by lines of JSON.
//
// Input: {"send": "D", "fields": {...}} sends an application message, {"logout": true} leaves in good order,
// {"drop": true} cuts the connection. Output: one line for each message that arrives, {"type": ..., "fields": ...},
// with {"event": "ready"} after the Logon, {"event": "stopped"} at the end of the session and {"event": "finished"} at
// that of the program.
//
// Environment: AUGURY_FIX_PORT, AUGURY_FIX_TARGET, AUGURY_FIX_DICTIONARY (the document of /fix-dictionary.xml),
// AUGURY_FIX_CA, AUGURY_KEY_ID, AUGURY_KEY_FILE, AUGURY_FIX_STORE (a directory; sequence numbers go on when it is
// given) and AUGURY_FIX_LOGON (further fields of the Logon as JSON).

import "reflect-metadata";
import { constants, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import jspurefix from "jspurefix";

const { AsciiSession, AsciiSessionMsgFactory, EmptyLogFactory, SessionLauncher } = jspurefix;
const env = process.env;
const say = (line) => console.log(JSON.stringify(line));

const description = {
  application: {
    type: "initiator",
    name: "fix_client",
    protocol: "ascii",
    dictionary: env.AUGURY_FIX_DICTIONARY,
    tcp: {
      host: "127.0.0.1",
      port: Number(env.AUGURY_FIX_PORT),
      tls: { timeout: 10000, nodeTlsConnectionOptions: { ca: readFileSync(env.AUGURY_FIX_CA) } },
    },
  },
  store: env.AUGURY_FIX_STORE ? { type: "file", directory: env.AUGURY_FIX_STORE } : undefined,
  EncryptMethod: 0,
  ResetSeqNumFlag: !env.AUGURY_FIX_STORE,
  HeartBtInt: 30,
  SenderCompId: env.AUGURY_KEY_ID,
  TargetCompID: env.AUGURY_FIX_TARGET,
  BeginString: "FIXT.1.1",
  Logon: { DefaultApplVerID: "9", ...JSON.parse(env.AUGURY_FIX_LOGON ?? "{}") },
};

const soh = String.fromCharCode(1);
const asText = (time) => time.toISOString().replaceAll("-", "").replace("T", "-").replace("Z", "");

let session;

// Signs the Logon: SendingTime, MsgType, MsgSeqNum, SenderCompID and TargetCompID as they are sent.
class SigningFactory extends AsciiSessionMsgFactory {
  logon() {
    this.logonTime = new Date();
    const content = [
      asText(this.logonTime),
      "A",
      String(session.nextNumber()),
      this.description.SenderCompId,
      this.description.TargetCompID,
    ].join(soh);
    const signature = sign("sha256", Buffer.from(content), {
      key: readFileSync(env.AUGURY_KEY_FILE),
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    });
    const data = Buffer.from(signature.toString("base64"));
    // The engine writes a length of its own with the wrong delimiter behind it, so it gets one.
    return { ...super.logon(), RawDataLength: data.length, RawData: data };
  }

  header(msgType, number, time, more) {
    return super.header(msgType, number, msgType === "A" ? this.logonTime : time, more);
  }
}

class Client extends AsciiSession {
  constructor(config) {
    super(config);
    session = this;
  }

  nextNumber() {
    return this.transport.transmitter.msgSeqNum;
  }

  order(type, fields) {
    for (const [name, value] of Object.entries(fields)) {
      if (name.endsWith("Time")) fields[name] = new Date(value);
    }
    this.send(type, fields);
  }

  drop() {
    this.transport.end();
  }

  onApplicationMsg(type, view) {
    say({ type, fields: view.toObject() });
  }

  onReady() {
    say({ event: "ready" });
  }

  onStopped(error) {
    say({ event: "stopped", error: error ? String(error) : null });
  }

  onLogon() {
    return true;
  }

  onDecoded(type, text) {
    say({ wire: text, decoded: type });
  }

  onEncoded() {}
}

class Launcher extends SessionLauncher {
  constructor() {
    super(description, null, ...(env.AUGURY_FIX_DEBUG ? [] : [new EmptyLogFactory()]));
  }

  makeSessionMsgFactory(given) {
    return new SigningFactory(given);
  }

  makeFactory(config) {
    return { makeSession: () => new Client(config) };
  }
}

const input = createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.send) session.order(command.send, command.fields);
  else if (command.logout) session.done();
  else if (command.drop) session.drop();
});

// No process.exit: the numbers of the session are still being written to its store.
process.on("exit", () => say({ event: "finished" }));
new Launcher()
  .run()
  .catch((error) => say({ event: "failed", error: String(error) }))
  .finally(() => input.close());
