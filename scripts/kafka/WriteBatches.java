import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;

/**
 * Writes one record batch per compression codec with Kafka's own classes, for Millrace to accept and read back.
 * Usage: java -cp … WriteBatches.java DIRECTORY
 * Record i of a batch: key "key-i" (null when i % 5 == 3), value "value-i of <codec>" (null when i % 7 == 6), a header
 * "h" with value "i" when i is even, timestamp 1700000000000 + i.
 */
public class WriteBatches {
  public static void main(String[] args) throws Exception {
    for (CompressionType type : new CompressionType[] {CompressionType.NONE, CompressionType.GZIP,
        CompressionType.SNAPPY, CompressionType.LZ4, CompressionType.ZSTD}) {
      MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2,
          Compression.of(type).build(), TimestampType.CREATE_TIME, 0L);
      for (int i = 0; i < 500; i++) {
        byte[] key = i % 5 == 3 ? null : bytes("key-" + i);
        byte[] value = i % 7 == 6 ? null : bytes("value-" + i + " of " + type.name);
        Header[] headers = i % 2 == 0 ? new Header[] {new RecordHeader("h", bytes("" + i))} : new Header[0];
        builder.append(1700000000000L + i, key, value, headers);
      }
      ByteBuffer buffer = builder.build().buffer();
      byte[] batch = new byte[buffer.remaining()];
      buffer.get(batch);
      Files.write(Path.of(args[0], type.name + ".batch"), batch);
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
