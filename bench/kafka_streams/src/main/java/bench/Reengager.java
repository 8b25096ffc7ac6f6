package bench;

import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** The processor: the member's state from the store, the rules, each output to the sink of its topic, the state back. */
final class Reengager extends ContextualProcessor<String, Activity, String, Output> {
    static final String STORE = "members";

    private KeyValueStore<String, Member> members;

    @Override
    public void init(ProcessorContext<String, Output> context) {
        super.init(context);
        members = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Activity> record) {
        Member kept = members.get(record.key());
        Member member = kept == null ? new Member() : kept;
        Rules.act(member, record.value(), output -> context().forward(record.withValue(output), output.topic()));
        members.put(record.key(), member);
    }
}
