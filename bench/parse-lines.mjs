// The limit: JSON.parse of each line of a file, nothing else.
import { createReadStream } from "node:fs";

let rest = "";
for await (const chunk of createReadStream(process.argv[2], { encoding: "utf8", highWaterMark: 1 << 20 })) {
  const text = rest + chunk;
  let from = 0;
  for (let to = text.indexOf("\n"); to !== -1; to = text.indexOf("\n", from)) {
    JSON.parse(text.slice(from, to));
    from = to + 1;
  }
  rest = text.slice(from);
}
if (rest !== "") JSON.parse(rest);
