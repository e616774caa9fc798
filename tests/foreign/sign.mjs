// Signs what comes on standard input, as npm's standardwebhooks does: secret, id and seconds are the arguments.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, id, seconds] = process.argv.slice(2);
process.stdout.write(new Webhook(secret).sign(id, new Date(seconds * 1000), readFileSync(0, "utf8")));
