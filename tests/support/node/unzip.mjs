// Reads an archive with yauzl, checks every CRC-32, and extracts it into a folder, or prints size,
// CRC-32 and name of each entry if there is none.
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import yauzl from "yauzl";

const [archive, folder] = process.argv.slice(2);
const zip = await promisify(yauzl.open)(archive, { lazyEntries: true, strictFileNames: true });
const openReadStream = promisify(zip.openReadStream.bind(zip));
const lines = [];

async function* checked(entry) {
  let size = 0;
  let crc = 0;
  for await (const chunk of await openReadStream(entry)) {
    size += chunk.length;
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (size !== entry.uncompressedSize || crc !== entry.crc32) {
    throw new Error(`${entry.fileName}: size or CRC-32 is wrong`);
  }
  lines.push(`${size} ${crc.toString(16).padStart(8, "0")} ${entry.fileName}\n`);
}

async function drain(chunks) {
  for await (const _ of chunks);
}

zip.on("entry", async (entry) => {
  if (folder === undefined) {
    await drain(checked(entry));
  } else if (entry.fileName.endsWith("/")) {
    mkdirSync(join(folder, entry.fileName), { recursive: true });
    await drain(checked(entry));
  } else {
    const path = join(folder, entry.fileName);
    mkdirSync(dirname(path), { recursive: true });
    await pipeline(checked(entry), createWriteStream(path));
  }
  zip.readEntry();
});
zip.on("end", () => {
  if (folder === undefined) process.stdout.write(lines.join(""));
});
zip.on("error", (error) => {
  throw error;
});
zip.readEntry();
