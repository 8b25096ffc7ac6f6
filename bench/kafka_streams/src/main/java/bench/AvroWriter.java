package bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/** Writes one record in Avro's single-object encoding, field by field. */
final class AvroWriter {
    private static final int USUAL_BYTES = 256;

    private byte[] bytes = new byte[USUAL_BYTES];
    private int length;

    AvroWriter(byte[] header) {
        put(header);
    }

    /** C3 01 and the schema's CRC-64-AVRO fingerprint, given in hex as it is written. */
    static byte[] header(String fingerprint) {
        return HexFormat.of().parseHex("c301" + fingerprint);
    }

    AvroWriter number(long value) {
        room(10);
        long left = value << 1 ^ value >> 63;
        while ((left & ~0x7FL) != 0) {
            bytes[length++] = (byte) (left & 0x7F | 0x80);
            left >>>= 7;
        }
        bytes[length++] = (byte) left;
        return this;
    }

    AvroWriter text(String value) {
        byte[] encoded = value.getBytes(StandardCharsets.UTF_8);
        number(encoded.length);
        put(encoded);
        return this;
    }

    /** The second branch of a union whose first is null. */
    AvroWriter some(String value) {
        return number(1).text(value);
    }

    /** A nullable instant; {@link Member#NEVER} is null. */
    AvroWriter instant(long value) {
        return value == Member.NEVER ? nothing() : number(1).number(value);
    }

    /** Null as the first branch of a union, or the end of an array or map. */
    AvroWriter nothing() {
        return number(0);
    }

    byte[] done() {
        return Arrays.copyOf(bytes, length);
    }

    private void put(byte[] more) {
        room(more.length);
        System.arraycopy(more, 0, bytes, length, more.length);
        length += more.length;
    }

    private void room(int more) {
        if (length + more > bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * (length + more));
        }
    }
}
