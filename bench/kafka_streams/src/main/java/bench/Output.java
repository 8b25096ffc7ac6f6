package bench;

import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;

/** An output record: the topic it goes to, and its bytes. Ids, causes and texts are those Reengage writes. */
sealed interface Output {
    String topic();

    byte[] write();

    String PLAYBOOK = "re-engager";
    String VERSION = "1";
    String TAG = "inactive";
    String STEP = "setup.step_completed";
    DateTimeFormatter ISO = new DateTimeFormatterBuilder().appendInstant(3).toFormatter();

    static String workflowId(String memberId) {
        return PLAYBOOK + ":" + memberId + ":1";
    }

    private static AvroWriter sequenced(byte[] header, String memberId, long sequence, long at, String cause) {
        return new AvroWriter(header)
                .text(memberId + "/" + sequence)
                .number(sequence)
                .text(memberId)
                .number(at)
                .some(PLAYBOOK)
                .some(VERSION)
                .text(cause);
    }

    record TagChanged(String memberId, long sequence, long at, String cause, boolean added, String reason)
            implements Output {
        static final String FINGERPRINT = "c2064621798535e1";
        private static final byte[] HEADER = AvroWriter.header(FINGERPRINT);

        @Override
        public String topic() {
            return "tag-changed";
        }

        @Override
        public byte[] write() {
            return sequenced(HEADER, memberId, sequence, at, cause)
                    .text(TAG)
                    .number(added ? 0 : 1)
                    .text(reason)
                    .done();
        }
    }

    record WorkflowOpened(
            String memberId, long sequence, long at, String cause, String reason, String activity, long since)
            implements Output {
        static final String FINGERPRINT = "7c1fee4d135f3a7c";
        private static final byte[] HEADER = AvroWriter.header(FINGERPRINT);

        @Override
        public String topic() {
            return "workflow-opened";
        }

        @Override
        public byte[] write() {
            return sequenced(HEADER, memberId, sequence, at, cause)
                    .text(workflowId(memberId))
                    .number(0) // kind: reengager
                    .text(reason)
                    .number(2)
                    .text("activity")
                    .text(activity)
                    .text("inactive_since")
                    .text(ISO.format(Instant.ofEpochMilli(since)))
                    .nothing()
                    .done();
        }
    }

    record MemberSnapshot(
            String memberId, long at, long taggedSince, long lastInApp, boolean stepped, long openedAt)
            implements Output {
        static final String FINGERPRINT = "b09600efc325d5f2";
        private static final byte[] HEADER = AvroWriter.header(FINGERPRINT);

        @Override
        public String topic() {
            return "member-snapshot";
        }

        @Override
        public byte[] write() {
            AvroWriter writer = new AvroWriter(HEADER).text(memberId).number(at);
            list(writer, taggedSince != Member.NEVER, TAG);
            writer.instant(taggedSince).instant(lastInApp);
            list(writer, stepped, STEP);
            writer.nothing() // setup_completed_at
                    .number(1) // transfer: PENDING
                    .nothing()
                    .nothing()
                    .number(0);
            if (openedAt != Member.NEVER) {
                writer.number(1).text(workflowId(memberId)).number(0).text("first_activity").number(openedAt);
            }
            writer.nothing(); // the end of workflows
            for (int field = 0; field < 7; field++) {
                writer.nothing(); // scores, engagements, owner, coach, company, location, pending_nudges
            }
            return writer.done();
        }

        private static void list(AvroWriter writer, boolean filled, String only) {
            if (filled) {
                writer.number(1).text(only);
            }
            writer.nothing();
        }
    }
}
