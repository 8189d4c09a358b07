/* model.c - see model.h. */
#include "common/model.h"

#include "base/mem.h"
#include "model/source.h"

enum status tool_add_model(struct tool *t, const char *dir, const char *base, struct error *err)
{
	char *path;
	enum status st;

	TRY(tool_add_input_beside(t, dir, err));
	if (!adapter_is_dir(dir))
		return OK;
	TRY(source_base(dir, base, &path, err));
	st = tool_add_input_beside(t, path, err);
	mem_free(path);
	return st;
}

enum status tool_open_lm(struct tool *t, struct lm *lm, const char *dir, const struct model_flags *f, struct error *err)
{
	struct model_how how = { .form = (enum model_form)f->load, .base = f->adapter ? dir : NULL, .apart = f->load != MODEL_F32,
				 .in_place = true, .pack = true };

	TRY(tool_open_device(t, &f->device, f->bf16, &how.kernels, err));
	if (f->adapter)
		dir = f->adapter;
	TRY(tool_add_model(t, dir, how.base, err));
	TRY(lm_open_as(lm, dir, &how, false, t->pool, err));
	enum status st = tool_settle_inputs(t, err);
	if (st != OK)
		lm_close(lm);
	return st;
}
