import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.tools.ConsumerPerformance;
import org.apache.kafka.tools.ProducerPerformance;

/**
 * A process that runs Kafka's own performance tools again and again, so that they are measured compiled, and what those
 * tools do not do: a closed loop of single records, and from send to receipt, at a rate or at the maximum. One command a line on standard input:
 *
 *   producer ARG…      org.apache.kafka.tools.ProducerPerformance
 *   consumer ARG…      org.apache.kafka.tools.ConsumerPerformance
 *   open BOOTSTRAP           clients that try to connect from now on, every 10 to 20 ms
 *   first TOPIC REPLICAS     makes the topic and sends a record with them, as soon as there is somebody to take it
 *   closed BOOTSTRAP TOPIC PARTITIONS ACKS SIZE UNDER-WAY WARMUP-SECONDS SECONDS
 *   endtoend BOOTSTRAP TOPIC PARTITIONS ACKS SIZE RATE WARMUP-SECONDS SECONDS
 *   tail BOOTSTRAP TOPIC PARTITIONS ACKS SIZE BATCH-RECORDS WARMUP-SECONDS SECONDS
 *
 * The last three of these answer with one line of JSON. Every command ends with a line "@done CPU-SECONDS" of this process (of the
 * measured part, for the last three), or "@failed MESSAGE".
 */
public class PerfClient {
  private static final long LATENCY_MAX_MICROS = 600_000_000L;

  public static void main(String[] args) throws Exception {
    FirstRecord first = null;
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ");
      String[] rest = Arrays.copyOfRange(words, 1, words.length);
      double cpuBefore = cpuSeconds();
      try {
        double cpu = -1;
        switch (words[0]) {
          case "producer" -> ProducerPerformance.main(rest);
          case "consumer" -> ConsumerPerformance.main(rest);
          case "open" -> first = new FirstRecord(rest[0]);
          case "first" -> first.send(rest[0], Short.parseShort(rest[1]));
          case "closed" -> cpu = new Load(rest).closedLoop(Integer.parseInt(rest[5]));
          case "endtoend" -> cpu = new Load(rest).endToEnd(Double.parseDouble(rest[5]));
          case "tail" -> cpu = new Load(rest).tail(Integer.parseInt(rest[5]));
          default -> throw new IllegalArgumentException("unknown command " + words[0]);
        }
        System.out.println("@done " + (cpu < 0 ? cpuSeconds() - cpuBefore : cpu));
      } catch (Exception e) {
        System.out.println("@failed " + e);
      }
    }
    System.exit(0);
  }

  static double cpuSeconds() {
    return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toNanos() / 1e9;
  }

  /** What a client that is there before the nodes does when they come. */
  static class FirstRecord {
    final Admin admin;
    final KafkaProducer<byte[], byte[]> producer;

    FirstRecord(String bootstrap) {
      Properties properties = new Properties();
      properties.put("bootstrap.servers", bootstrap);
      for (String backoff : List.of("reconnect.backoff", "retry.backoff")) {
        properties.put(backoff + ".ms", "10");
        properties.put(backoff + ".max.ms", "20");
      }
      admin = Admin.create(properties);
      properties.put("acks", "all");
      properties.put("linger.ms", "0");
      producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    void send(String topic, short replicas) throws Exception {
      for (boolean isMade = false; !isMade; ) {
        try {
          admin.createTopics(List.of(new NewTopic(topic, 1, replicas))).all().get();
          isMade = true;
        } catch (ExecutionException e) {
          if (e.getCause() instanceof TopicExistsException) isMade = true;
          // Not all nodes are there yet.
          else if (e.getCause() instanceof InvalidReplicationFactorException) Thread.sleep(10);
          else throw e;
        }
      }
      producer.send(new ProducerRecord<>(topic, 0, null, new byte[100])).get();
      // They go on trying to reach nodes until they are closed.
      producer.close();
      admin.close();
    }
  }

  /** One run, measured from the end of its warm-up. */
  static class Load {
    final String bootstrap;
    final String topic;
    final int partitions;
    final String acks;
    final int size;
    final double warmupSeconds;
    final double seconds;
    final Histogram all = new Histogram(LATENCY_MAX_MICROS, 3);
    final Histogram interval = new Histogram(LATENCY_MAX_MICROS, 3);
    final List<String> series = new ArrayList<>();
    final Random random = new Random(1);
    long beginNanos;
    long endNanos;
    long intervalEndNanos;
    double cpuAtBegin = -1;
    long lastNanos;
    /** Each that is timed stands for so many. */
    int recordsPerStamp = 1;

    Load(String[] args) {
      bootstrap = args[0];
      topic = args[1];
      partitions = Integer.parseInt(args[2]);
      acks = args[3];
      size = Integer.parseInt(args[4]);
      warmupSeconds = Double.parseDouble(args[6]);
      seconds = Double.parseDouble(args[7]);
    }

    /** Once the clients are connected, so that the time that takes is not that of the load. */
    void begin() {
      beginNanos = System.nanoTime() + (long) (warmupSeconds * 1e9);
      endNanos = beginNanos + (long) (seconds * 1e9);
      intervalEndNanos = beginNanos + 1_000_000_000L;
    }

    /** Single records, so many of them not yet acknowledged; timed from the send to the acknowledgement. */
    double closedLoop(int underWay) throws Exception {
      Semaphore room = new Semaphore(underWay);
      AtomicReference<Exception> failure = new AtomicReference<>();
      try (KafkaProducer<byte[], byte[]> producer = openProducer(0, 65_536)) {
        producer.partitionsFor(topic);
        begin();
        for (long sent = 0; System.nanoTime() < endNanos && failure.get() == null; sent++) {
          room.acquire();
          long sentNanos = System.nanoTime();
          producer.send(recordOf(sent, sentNanos), (metadata, e) -> {
            if (e != null) failure.set(e);
            else record(sentNanos, System.nanoTime());
            room.release();
          });
        }
        producer.flush();
      }
      if (failure.get() != null) throw failure.get();
      return report();
    }

    /** Records are due on a fixed schedule and timed from then until the consumer has them. */
    double endToEnd(double rate) throws Exception {
      AtomicReference<Exception> failure = new AtomicReference<>();
      try (KafkaConsumer<byte[], byte[]> consumer = openConsumer();
          KafkaProducer<byte[], byte[]> producer = openProducer(0, 65_536)) {
        producer.partitionsFor(topic);
        begin();
        long startNanos = System.nanoTime();
        long total = (long) ((endNanos - startNanos) / 1e9 * rate);
        Thread sending = new Thread(() -> {
          for (long sent = 0; sent < total; sent++) {
            long dueNanos = startNanos + (long) (sent * 1e9 / rate);
            for (long wait = dueNanos - System.nanoTime(); wait > 0; wait = dueNanos - System.nanoTime())
              LockSupport.parkNanos(wait);
            producer.send(recordOf(sent, dueNanos), (metadata, e) -> {
              if (e != null) failure.set(e);
            });
          }
        });
        sending.start();
        for (long received = 0; received < total && failure.get() == null; ) {
          var records = consumer.poll(Duration.ofMillis(100));
          long now = System.nanoTime();
          for (ConsumerRecord<byte[], byte[]> record : records) record(ByteBuffer.wrap(record.value()).getLong(), now);
          received += records.count();
        }
        sending.join();
      }
      if (failure.get() != null) throw failure.get();
      return report();
    }

    /**
     * As many records as the producer's buffer takes, and a consumer at the tail; the first of every batch is timed from the
     * call of send until the consumer has it. Values are the same bytes again and again: only what Kafka does with them is measured.
     */
    double tail(int batchRecords) throws Exception {
      recordsPerStamp = batchRecords;
      AtomicReference<Exception> failure = new AtomicReference<>();
      AtomicLong sent = new AtomicLong();
      int lingerMillis = 5;
      int batchBytes = Math.max(65_536, batchRecords * (size + 16));
      try (KafkaConsumer<byte[], byte[]> consumer = openConsumer();
          KafkaProducer<byte[], byte[]> producer = openProducer(lingerMillis, batchBytes)) {
        producer.partitionsFor(topic);
        begin();
        byte[] untimed = new byte[Math.max(8, size)];
        random.nextBytes(untimed);
        ByteBuffer.wrap(untimed).putLong(0);
        Thread sending = new Thread(() -> {
          for (int batch = 0; System.nanoTime() < endNanos && failure.get() == null; batch++) {
            int partition = batch % partitions;
            for (int at = 0; at < batchRecords; at++) {
              byte[] value = untimed;
              if (at == 0) ByteBuffer.wrap(value = untimed.clone()).putLong(System.nanoTime());
              producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, e) -> {
                if (e != null) failure.set(e);
              });
            }
            sent.addAndGet(batchRecords);
          }
        });
        sending.start();
        for (long received = 0; (sending.isAlive() || received < sent.get()) && failure.get() == null; ) {
          var records = consumer.poll(Duration.ofMillis(100));
          long now = System.nanoTime();
          for (ConsumerRecord<byte[], byte[]> record : records) {
            long sentNanos = ByteBuffer.wrap(record.value()).getLong();
            if (sentNanos != 0) record(sentNanos, now);
          }
          received += records.count();
        }
        sending.join();
      }
      if (failure.get() != null) throw failure.get();
      return report();
    }

    KafkaProducer<byte[], byte[]> openProducer(int lingerMillis, int batchBytes) {
      Properties properties = new Properties();
      properties.put("bootstrap.servers", bootstrap);
      properties.put("acks", acks);
      properties.put("linger.ms", String.valueOf(lingerMillis));
      properties.put("batch.size", String.valueOf(batchBytes));
      properties.put("buffer.memory", "67108864");
      properties.put("max.request.size", "4194304");
      return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> openConsumer() {
      Properties properties = new Properties();
      properties.put("bootstrap.servers", bootstrap);
      var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
      List<TopicPartition> assigned = new ArrayList<>();
      for (int partition = 0; partition < partitions; partition++) assigned.add(new TopicPartition(topic, partition));
      consumer.assign(assigned);
      consumer.seekToEnd(assigned);
      // The ends are looked up before anything is sent.
      for (TopicPartition partition : assigned) consumer.position(partition);
      return consumer;
    }

    ProducerRecord<byte[], byte[]> recordOf(long at, long stampNanos) {
      byte[] value = new byte[Math.max(8, size)];
      random.nextBytes(value);
      ByteBuffer.wrap(value).putLong(stampNanos);
      return new ProducerRecord<>(topic, (int) (at % partitions), null, value);
    }

    void record(long fromNanos, long toNanos) {
      if (fromNanos < beginNanos) return;
      if (cpuAtBegin < 0) cpuAtBegin = cpuSeconds();
      while (toNanos >= intervalEndNanos) closeInterval();
      long micros = Math.min(LATENCY_MAX_MICROS, Math.max(1, (toNanos - fromNanos) / 1_000));
      all.recordValue(micros);
      interval.recordValue(micros);
      lastNanos = toNanos;
    }

    void closeInterval() {
      series.add(String.format(Locale.ROOT, "{\"seconds\":%d,\"recordsPerSecond\":%d,\"latency\":%s}",
          series.size() + 1, recordsPerStamp * interval.getTotalCount(), percentiles(interval)));
      interval.reset();
      intervalEndNanos += 1_000_000_000L;
    }

    double report() {
      if (series.isEmpty()) closeInterval();
      double cpu = cpuSeconds() - cpuAtBegin;
      StringBuilder quantiles = new StringBuilder();
      for (HistogramIterationValue value : all.percentiles(2))
        quantiles.append(quantiles.isEmpty() ? "" : ",").append('"').append(value.getPercentileLevelIteratedTo())
            .append("\":").append(value.getValueIteratedTo() / 1_000.0);
      System.out.println(String.format(Locale.ROOT,
          "{\"records\":%d,\"seconds\":%f,\"latency\":%s,\"quantiles\":{%s},\"series\":[%s]}", recordsPerStamp * all.getTotalCount(),
          (lastNanos - beginNanos) / 1e9, percentiles(all), quantiles, String.join(",", series)));
      return cpu;
    }

    static String percentiles(Histogram histogram) {
      return String.format(Locale.ROOT,
          "{\"mean\":%f,\"p50\":%f,\"p75\":%f,\"p95\":%f,\"p99\":%f,\"p99.9\":%f,\"p99.99\":%f,\"p99.999\":%f,\"max\":%f}",
          histogram.getMean() / 1e3, at(histogram, 50), at(histogram, 75), at(histogram, 95), at(histogram, 99),
          at(histogram, 99.9), at(histogram, 99.99), at(histogram, 99.999), histogram.getMaxValue() / 1e3);
    }

    static double at(Histogram histogram, double percentile) {
      return histogram.getValueAtPercentile(percentile) / 1e3;
    }
  }
}
