package bench;

import java.util.Set;
import java.util.function.Consumer;

/** The rules of bench/inactivity.py, step for step; tests/bench holds the two against each other. */
final class Rules {
    private static final long AFTER_MS = 7L * 86_400_000;
    private static final long PAGE_REST_MS = 5_000;
    private static final Set<String> QUALIFYING =
            Set.of("article.read", "et_session.started", "reminder.created", "appointment.scheduled");

    private final String memberId;
    private final Member member;
    private final Consumer<Output> out;

    private Rules(String memberId, Member member, Consumer<Output> out) {
        this.memberId = memberId;
        this.member = member;
        this.out = out;
    }

    /** What one activity brings about, after what time has brought about before it. */
    static void act(Member member, Activity activity, Consumer<Output> out) {
        Rules rules = new Rules(activity.memberId(), member, out);
        rules.advance(activity.occurredAt());
        rules.apply(activity);
    }

    private void advance(long untilMs) {
        while (true) {
            boolean idle = member.lastMs != Member.NEVER && member.tagMs == Member.NEVER;
            long tagDueMs = idle ? member.lastMs + AFTER_MS : Long.MAX_VALUE;
            long pageDueMs = member.stale ? member.pageMs + PAGE_REST_MS : Long.MAX_VALUE;
            if (Math.min(tagDueMs, pageDueMs) > untilMs) {
                return;
            }
            if (tagDueMs <= pageDueMs) {
                member.tagMs = tagDueMs;
                changeTag(tagDueMs, "timer:inactive", true, "inactive");
                writePage(tagDueMs);
            } else {
                writePage(pageDueMs);
            }
        }
    }

    private void apply(Activity activity) {
        long atMs = activity.occurredAt();
        boolean urgent = member.pageMs == Member.NEVER;
        boolean app = activity.channel() == Activity.APP;
        boolean inApp = app && atMs > member.inAppMs;
        boolean step = !member.stepped && activity.type().equals(Output.STEP);
        boolean changed = inApp || step;
        if (urgent) {
            member.tagMs = atMs;
            changeTag(atMs, activity.eventId(), true, "never_active");
        }
        if (inApp) {
            member.inAppMs = atMs;
        }
        member.stepped |= step;
        if (app && QUALIFYING.contains(activity.type())) {
            urgent |= member.tagMs != Member.NEVER;
            comeBack(activity);
            member.lastMs = atMs;
        }
        if (urgent || changed && !member.stale && member.pageMs + PAGE_REST_MS <= atMs) {
            writePage(atMs);
        } else if (changed) {
            member.stale = true;
        }
    }

    private void comeBack(Activity activity) {
        if (member.tagMs == Member.NEVER) {
            return;
        }
        long atMs = activity.occurredAt();
        long sinceMs = member.tagMs;
        member.tagMs = Member.NEVER;
        changeTag(atMs, activity.eventId(), false, "activity");
        if (member.openedMs == Member.NEVER) {
            member.openedMs = atMs;
            String reason = member.lastMs == Member.NEVER ? "first_activity" : "returned";
            out.accept(new Output.WorkflowOpened(
                    memberId, ++member.sequence, atMs, activity.eventId(), reason, activity.type(), sinceMs));
        }
    }

    private void changeTag(long atMs, String cause, boolean added, String reason) {
        out.accept(new Output.TagChanged(memberId, ++member.sequence, atMs, cause, added, reason));
    }

    private void writePage(long atMs) {
        member.pageMs = atMs;
        member.stale = false;
        out.accept(new Output.MemberSnapshot(
                memberId, atMs, member.tagMs, member.inAppMs, member.stepped, member.openedMs));
    }
}
