/* tensorboard.h - scalars as an event file of TensorBoard.
 *
 * DIR/events.out.tfevents.TIME.HOST.PID is a sequence of TFRecords (length, its masked CRC-32C, bytes, theirs;
 * tensorflow/core/lib/io/record_writer.h), each an Event message (tensorflow/core/util/event.proto): the first with the file's
 * version, then one per step with all its values. A run that is taken up says so (SessionLog START), so that TensorBoard drops what
 * an earlier file has of later steps. Records are written whole and at once: a killed process leaves no broken file. */
#ifndef QUERN_TRAIN_TENSORBOARD_H
#define QUERN_TRAIN_TENSORBOARD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct tensorboard;
/* Makes dir and a file in it. */
enum status tensorboard_open(struct tensorboard **tb, const char *dir, struct error *err);
/* The run goes on from step, which is done. */
enum status tensorboard_resume(struct tensorboard *tb, int64_t step, struct error *err);
/* One value of a step; kept until tensorboard_end_step. */
void tensorboard_scalar(struct tensorboard *tb, const char *tag, double v);
enum status tensorboard_end_step(struct tensorboard *tb, int64_t step, struct error *err);
void tensorboard_close(struct tensorboard *tb); /* NULL allowed */
/* CRC-32C (Castagnoli), as RFC 3720 has it. */
uint32_t crc32c(const void *p, size_t n);

#endif
