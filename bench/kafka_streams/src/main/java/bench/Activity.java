package bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One event: what of an Activity record the job needs. Written by hand for one version of the schema, as the
 * records of {@link Output} are; tests/bench holds the fingerprints against the schemas.
 */
record Activity(String eventId, String memberId, long occurredAt, String type, int channel) {
    static final String FINGERPRINT = "3b4578ce186f582f";
    static final int APP = 0;

    private static final byte[] HEADER = AvroWriter.header(FINGERPRINT);

    /** Reads Avro's single-object encoding; attributes, which come last, are left unread. */
    static Activity read(byte[] bytes) {
        if (!Arrays.equals(bytes, 0, HEADER.length, HEADER, 0, HEADER.length)) {
            throw new IllegalArgumentException("not an Activity of the version this was written for");
        }
        Reader reader = new Reader(bytes, HEADER.length);
        return new Activity(
                reader.text(), reader.text(), reader.number(), reader.text(), Math.toIntExact(reader.number()));
    }

    private static final class Reader {
        private final byte[] bytes;
        private int at;

        Reader(byte[] bytes, int at) {
            this.bytes = bytes;
            this.at = at;
        }

        long number() {
            long value = 0;
            for (int shift = 0; ; shift += 7) {
                byte next = bytes[at++];
                value |= (next & 0x7FL) << shift;
                if (next >= 0) {
                    return value >>> 1 ^ -(value & 1);
                }
            }
        }

        String text() {
            int length = Math.toIntExact(number());
            at += length;
            return new String(bytes, at - length, length, StandardCharsets.UTF_8);
        }
    }
}
