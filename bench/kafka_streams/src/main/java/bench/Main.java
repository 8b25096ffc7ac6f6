package bench;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/**
 * The Kafka Streams application. Settings come from the environment, as every contender's do; the session timeout and
 * the heartbeat interval, in milliseconds, from the command line.
 */
final class Main {
    private static final int COMMIT_MS = 100;

    private Main() {}

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> settings = System.getenv();
        Topology topology = topology(settings.get("REENGAGE_TOPIC_PREFIX"));
        KafkaStreams streams = new KafkaStreams(topology, properties(settings, arguments[0], arguments[1]));
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now.hasCompletedShutdown()) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        ended.await();
        if (streams.state() == KafkaStreams.State.ERROR) {
            System.exit(1);
        }
    }

    private static Topology topology(String prefix) {
        Deserializer<Activity> activities = (topic, bytes) -> Activity.read(bytes);
        Serializer<Output> outputs = (topic, output) -> output.write();
        Serializer<Member> write = (topic, member) -> member == null ? null : member.write();
        Deserializer<Member> read = (topic, bytes) -> bytes == null ? null : Member.read(bytes);
        Topology topology = new Topology()
                .addSource("activity", new StringDeserializer(), activities, prefix + "activity")
                .addProcessor("reengager", Reengager::new, "activity")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                        Stores.persistentKeyValueStore(Reengager.STORE),
                                        Serdes.String(),
                                        Serdes.serdeFrom(write, read))
                                .withCachingEnabled()
                                .withLoggingEnabled(Map.of()),
                        "reengager");
        for (String topic : List.of("tag-changed", "workflow-opened", "member-snapshot")) {
            topology.addSink(topic, prefix + topic, new StringSerializer(), outputs, "reengager");
        }
        return topology;
    }

    private static Properties properties(Map<String, String> settings, String sessionMs, String heartbeatMs) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.get("REENGAGE_APP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.get("REENGAGE_BROKER"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, settings.get("REENGAGE_DATA"));
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        if (settings.get("REENGAGE_GUARANTEE").equals("exactly_once")) {
            properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
            properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_MS);
        }
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), sessionMs);
        properties.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), heartbeatMs);
        return properties;
    }
}
