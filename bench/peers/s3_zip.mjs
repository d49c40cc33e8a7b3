// s3-zip and @aws-sdk/lib-storage.
import { PassThrough } from "node:stream";
import { Upload } from "@aws-sdk/lib-storage";
import s3Zip from "s3-zip";
import { client, keys, measure } from "./harness.mjs";

await measure(async () => {
  const body = new PassThrough();
  const upload = new Upload({ client, params: { Bucket: "dst", Key: "archive.zip", Body: body } });
  const finished = upload.done();
  const files = keys.map((key) => key.split("/").pop());
  s3Zip
    .setArchiverOptions({ store: true })
    .archive({ s3: client, bucket: "src" }, "documents/", files)
    .pipe(body);
  await finished;
});
