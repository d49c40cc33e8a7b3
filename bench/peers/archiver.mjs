// archiver and @aws-sdk/lib-storage, a usual pair in Node.
import { PassThrough } from "node:stream";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import archiver from "archiver";
import { client, keys, measure } from "./harness.mjs";

await measure(async () => {
  const body = new PassThrough();
  const upload = new Upload({ client, params: { Bucket: "dst", Key: "archive.zip", Body: body } });
  const finished = upload.done();
  const archive = archiver("zip", { store: true });
  archive.pipe(body);
  for (const key of keys) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "src", Key: key }));
    const added = new Promise((resolve, reject) => {
      archive.once("entry", resolve);
      archive.once("error", reject);
    });
    archive.append(Body, { name: key.split("/").pop() });
    await added;
  }
  await archive.finalize();
  await finished;
});
