import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/** Extracts an archive with one of the two readers of the Java class library. */
public class Unzip {
    public static void main(String[] arguments) throws IOException {
        Path archive = Path.of(arguments[1]);
        Path folder = Path.of(arguments[2]);
        if (arguments[0].equals("stream")) {
            try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(archive))) {
                for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                    extract(zip, folder.resolve(entry.getName()));
                }
            }
            return;
        }
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                try (InputStream body = zip.getInputStream(entry)) {
                    extract(body, folder.resolve(entry.getName()));
                }
            }
        }
    }

    private static void extract(InputStream body, Path path) throws IOException {
        Files.createDirectories(path.getParent());
        try (OutputStream out = Files.newOutputStream(path)) {
            body.transferTo(out);
        }
    }
}
