/* import_walk.c - see import_walk.h. A directory's hash is XXH3-128 over (name, hash) of each of its files. */
#include "text/import_walk.h"
#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

struct level {
	struct dirent **names;
	int n, at;
	size_t path_n;               /* bytes of w->path that are this directory's */
};

struct walk {
	const char *const *paths;
	int n, next;
	const char *operand;         /* NULL: none at hand */
	bool directory, given;
	struct level levels[DEPTH_MAX];
	int depth;
	struct buf path;
	char file_hash[33];
	struct hasher *hash;
};

struct walk *walk_open(const char *const *paths, int n)
{
	static const char *const standard[] = { "-" };
	struct walk *w = mem_zalloc(sizeof(*w));
	w->paths = n ? paths : standard;
	w->n = n ? n : 1;
	return w;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static enum status enter(struct walk *w, struct error *err)
{
	if (w->depth == DEPTH_MAX)
		return error_set(err, ERR_DATA, "%s: directories nested more than %d deep", w->path.data, DEPTH_MAX);
	struct level *l = &w->levels[w->depth];
	l->n = scandir(w->path.data, &l->names, not_dots, by_bytes);
	if (l->n < 0)
		return error_errno(err, ERR_IO, "%s: cannot list", w->path.data);
	l->at = 0;
	l->path_n = w->path.len;
	w->depth++;
	return OK;
}

static void leave(struct walk *w)
{
	struct level *l = &w->levels[--w->depth];
	for (int i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
}

static enum status begin_operand(struct walk *w, struct error *err)
{
	w->operand = w->paths[w->next++];
	w->given = false;
	w->file_hash[0] = 0;
	w->directory = strcmp(w->operand, "-") != 0 && path_is_dir(w->operand);
	buf_clear(&w->path);
	buf_str(&w->path, w->operand);
	if (!w->directory)
		return OK;
	while (w->path.len > 1 && w->path.data[w->path.len - 1] == '/')
		w->path.data[--w->path.len] = 0;
	w->hash = hasher_open();
	return enter(w, err);
}

static void end_operand(struct walk *w, struct provenance_input *done)
{
	done->name = mem_strdup(w->operand);
	done->rows = -1;
	if (w->directory) {
		hasher_hex(w->hash, done->xxh3);
		hasher_close(w->hash);
		w->hash = NULL;
	} else {
		memcpy(done->xxh3, w->file_hash, sizeof(done->xxh3));
	}
	w->operand = NULL;
}

/* The next regular file of the directory at hand; END after the last. */
static enum status next_in_directory(struct walk *w, const char **path, struct error *err)
{
	while (w->depth > 0) {
		struct level *l = &w->levels[w->depth - 1];
		struct stat info;
		w->path.len = l->path_n;
		w->path.data[l->path_n] = 0;
		if (l->at == l->n) {
			leave(w);
			continue;
		}
		buf_str(&w->path, l->path_n == 1 && w->path.data[0] == '/' ? "" : "/");
		buf_str(&w->path, l->names[l->at++]->d_name);
		if (lstat(w->path.data, &info) != 0)
			continue;            /* gone since it was listed */
		if (S_ISDIR(info.st_mode)) {
			TRY(enter(w, err));
		} else if (S_ISREG(info.st_mode)) {
			*path = w->path.data;
			return OK;
		}
	}
	return END;
}

enum status walk_next(struct walk *w, const char **path, struct provenance_input *done, struct error *err)
{
	*path = NULL;
	if (!w->operand) {
		if (w->next == w->n)
			return END;
		TRY(begin_operand(w, err));
	}
	if (w->directory) {
		enum status st = next_in_directory(w, path, err);
		if (st != END)
			return st;
	} else if (!w->given) {
		w->given = true;
		*path = w->operand;
		return OK;
	}
	end_operand(w, done);
	return OK;
}

void walk_done(struct walk *w, const char *hash)
{
	memcpy(w->file_hash, hash, sizeof(w->file_hash));
	if (w->hash) {
		hasher_add(w->hash, walk_name(w), strlen(walk_name(w)) + 1);
		hasher_add(w->hash, hash, strlen(hash));
	}
}

const char *walk_name(const struct walk *w)
{
	if (!w->operand || strcmp(w->operand, "-") == 0)
		return "stdin";
	if (w->directory && w->depth > 0) {
		size_t n = w->levels[0].path_n;
		return w->path.data + n + (w->path.data[n] == '/');
	}
	const char *slash = strrchr(w->operand, '/');
	return slash && slash[1] ? slash + 1 : w->operand;
}

const char *walk_operand(const struct walk *w)
{
	return w->operand;
}

bool walk_in_directory(const struct walk *w)
{
	return w->directory;
}

void walk_close(struct walk *w)
{
	while (w->depth > 0)
		leave(w);
	if (w->hash)
		hasher_close(w->hash);
	buf_release(&w->path);
	mem_free(w);
}

enum status walk_hash(const char *directory, char out[33], struct error *err)
{
	struct walk *w = walk_open(&directory, 1);
	struct provenance_input entry = { .rows = -1 };
	const char *path;
	enum status st;
	while ((st = walk_next(w, &path, &entry, err)) == OK && path) {
		char hash[33];
		st = file_hash(path, hash, err);
		if (st != OK)
			break;
		walk_done(w, hash);
	}
	memcpy(out, entry.xxh3, sizeof(entry.xxh3));
	provenance_input_release(&entry);
	walk_close(w);
	return st;
}
