import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.zip.CRC32;
import java.util.zip.CheckedOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/**
 * Reads an archive with one of the two readers of the Java class library, checks every CRC-32, and
 * extracts it into a folder, or prints size, CRC-32 and name of each entry if there is none.
 */
public class Unzip {
    private static final PrintStream LINES =
            new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws IOException {
        Path archive = Path.of(arguments[1]);
        Path folder = arguments.length > 2 ? Path.of(arguments[2]) : null;
        if (arguments[0].equals("stream")) {
            try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(archive))) {
                for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                    read(zip, entry, folder);
                }
            }
        } else {
            try (ZipFile zip = new ZipFile(archive.toFile())) {
                for (ZipEntry entry : Collections.list(zip.entries())) {
                    try (InputStream body = zip.getInputStream(entry)) {
                        read(body, entry, folder);
                    }
                }
            }
        }
        LINES.flush();
    }

    private static void read(InputStream body, ZipEntry entry, Path folder) throws IOException {
        CRC32 crc = new CRC32();
        long size;
        try (OutputStream out = new CheckedOutputStream(open(entry, folder), crc)) {
            size = body.transferTo(out);
        }
        if (size != entry.getSize() || crc.getValue() != entry.getCrc()) {
            throw new ZipException(entry.getName() + ": size or CRC-32 is wrong");
        }
        if (folder == null) {
            LINES.printf("%d %08x %s%n", size, crc.getValue(), entry.getName());
        }
    }

    private static OutputStream open(ZipEntry entry, Path folder) throws IOException {
        if (folder == null) {
            return OutputStream.nullOutputStream();
        }
        Path path = folder.resolve(entry.getName());
        if (entry.isDirectory()) {
            Files.createDirectories(path);
            return OutputStream.nullOutputStream();
        }
        Files.createDirectories(path.getParent());
        return Files.newOutputStream(path);
    }
}
