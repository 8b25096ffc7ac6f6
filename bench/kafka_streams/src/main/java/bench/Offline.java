package bench;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * The rules without Kafka, for the tests: activities from standard input, outputs to standard output. Each record is
 * preceded by its length, four bytes with the highest first; an output also by its topic, told in the same way.
 */
final class Offline {
    private Offline() {}

    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        Map<String, byte[]> members = new HashMap<>();
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out))) {
            while (true) {
                byte[] bytes;
                try {
                    bytes = in.readNBytes(in.readInt());
                } catch (EOFException end) {
                    return;
                }
                Activity activity = Activity.read(bytes);
                byte[] kept = members.get(activity.memberId());
                Member member = kept == null ? new Member() : Member.read(kept);
                Rules.act(member, activity, output -> {
                    put(out, output.topic().getBytes(StandardCharsets.UTF_8));
                    put(out, output.write());
                });
                members.put(activity.memberId(), member.write());
            }
        }
    }

    private static void put(DataOutputStream out, byte[] bytes) {
        try {
            out.writeInt(bytes.length);
            out.write(bytes);
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }
}
