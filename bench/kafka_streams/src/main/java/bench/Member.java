package bench;

import java.nio.ByteBuffer;

/** One member's state, in the fields of Member in bench/inactivity.py. */
final class Member {
    /** It never happened, or the tag is not carried. */
    static final long NEVER = -1;

    private static final int BYTES = 6 * Long.BYTES + 1;

    long lastMs = NEVER;
    long tagMs = NEVER;
    long openedMs = NEVER;
    long inAppMs = NEVER;
    long pageMs = NEVER;
    long sequence;
    boolean stale;
    boolean stepped;

    byte[] write() {
        return ByteBuffer.allocate(BYTES)
                .putLong(lastMs)
                .putLong(tagMs)
                .putLong(openedMs)
                .putLong(inAppMs)
                .putLong(pageMs)
                .putLong(sequence)
                .put((byte) ((stale ? 1 : 0) | (stepped ? 2 : 0)))
                .array();
    }

    static Member read(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Member member = new Member();
        member.lastMs = buffer.getLong();
        member.tagMs = buffer.getLong();
        member.openedMs = buffer.getLong();
        member.inAppMs = buffer.getLong();
        member.pageMs = buffer.getLong();
        member.sequence = buffer.getLong();
        byte flags = buffer.get();
        member.stale = (flags & 1) != 0;
        member.stepped = (flags & 2) != 0;
        return member;
    }
}
