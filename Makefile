# quern: a hand mill for language models. `make`, `make check`, `make demo`, `make install`.
#
# Every folder of libcore and kernels becomes one archive; every tools/NAME.c (with tools/NAME/*.c, if it has grown) becomes build/bin/NAME,
# linked with the rooms it needs and no others (ROOMS_NAME below), so a tool starts as fast as its rooms allow.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build

CC ?= gcc
CXX ?= g++
PKGS := libzstd libpcre2-8 libxxhash libarchive
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -D_GNU_SOURCE -DQUERN_VERSION='"$(VERSION)"' -Ilibcore -Ikernels -Itools -Itests/unit
# -g1: places, for traces; a debugger wants OPT="-O2 -g"
CFLAGS += -std=c11 -g1 $(OPT) $(WARN) $(SAN)
CXXFLAGS += -std=c++17 -g1 $(OPT) -Wall -Wextra -Werror $(SAN)
LDFLAGS += $(SAN) -Wl,--as-needed
LDLIBS := -lyaml -lzstd -lxxhash -llz4 -lsnappy -lz -larchive -lpcre2-8 -lutf8proc -lcld2 -lsimdjson -lflint-arb -lflint -lgmp -lstdc++ -lpthread -ldl -lm

TOOLS := $(sort $(basename $(notdir $(wildcard tools/*.c))))
ROOMS := base stream text token model infer train judge kernels

# What a tool needs besides base and stream.
ROOMS_import := text
ROOMS_view := text token
ROOMS_clean := text
ROOMS_dedup := text
ROOMS_bpe-train := token
ROOMS_tokenize-bpe := token
ROOMS_pack := token
ROOMS_init-model := model token text kernels
ROOMS_merge := model token text kernels
ROOMS_sft-train := train infer model token text kernels
ROOMS_dpo-train := train infer model token text kernels
ROOMS_reward-train := train infer model token text kernels
ROOMS_generate := infer model token text kernels
ROOMS_score := judge infer model token text kernels
ROOMS_rejection-sample := judge token
ROOMS_eval := judge infer model token text kernels
ROOMS_report := judge token text

room_src = $(if $(filter kernels,$1),$(wildcard kernels/cpu/*.c) kernels/open.c,$(wildcard libcore/$1/*.c libcore/$1/*.cc))
room_obj = $(patsubst %.cc,$(B)/obj/%.o,$(patsubst %.c,$(B)/obj/%.o,$(call room_src,$1)))
libs = $(foreach r,$1,$(if $(call room_src,$r),$(B)/lib/$r.a))
link = $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all tools
all: tools
tools: $(TOOLS:%=$(B)/bin/%)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(notdir $*)) -MMD -MP -c -o $@ $<
$(B)/obj/%.o: %.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

define room_rule
$(B)/lib/$1.a: $(call room_obj,$1)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$r)))

COMMON := $(B)/lib/common.a
$(COMMON): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/common/*.c))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^
define tool_rule
$(B)/bin/$1: $(B)/obj/tools/$1.o $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/$1/*.c)) $(if $(filter quern,$1),,$(COMMON)) $(call libs,base stream $(ROOMS_$1))
	@mkdir -p $$(@D)
	$$(Q)$$(link)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$t)))

# --- tests: unit programs, fuzz targets and benchmarks, each linked with every room (an archive costs nothing unused)
ALL_LIBS := $(call libs,$(ROOMS))
UNIT := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
FUZZ := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
BENCH := $(basename $(notdir $(wildcard tests/bench/bench_*.c)))
$(B)/test/%: $(B)/obj/tests/unit/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(Q)$(link) -lcmocka
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/driver.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)
$(B)/fuzz/fuzz_report: $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/report/*.c))

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(Q)$(link)

# What golden tests preload: machines that fail and kill.
PRELOADS := $(patsubst tests/golden/%.c,$(B)/lib/%.so,$(wildcard tests/golden/*.c))
$(PRELOADS): $(B)/lib/%.so: tests/golden/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -D_GNU_SOURCE -std=gnu11 -O1 -g -Wall -Wextra -Werror -o $@ $< -ldl

# --- FLINT and Arb pass numbers as arrays of one; gcc 12 takes the array's size for the whole of what it may touch once they are inlined
CFLAGS_expr_form := -Wno-stringop-overflow -Wno-stringop-overread
CFLAGS_expr_ball := $(CFLAGS_expr_form)

# --- kernels: one file per instruction set and type of activations (run-time dispatch picks), and the program that holds them to their reference
ifeq ($(shell uname -m),x86_64)
CFLAGS_map := -O3                            # loops from bfloat16 to float, in vectors
CFLAGS_avx2 := -mavx2 -mfma
CFLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma
CFLAGS_avx512bf16 := $(CFLAGS_avx512) -mavx512bf16
CFLAGS_amx := $(CFLAGS_avx512bf16) -mamx-tile -mamx-bf16 -mamx-int8
endif
# In a build of UBSan a fault is a trap that ASan shows (handle_sigill): words for each place in ten tables are 11 MB, which the search for leaks
# reads at each program's end. What gcc takes a third of its time for there says little that ASan does not: pointers it follows are not null, and lie
# in what was allocated.
SAN_KERNELS = $(if $(findstring undefined,$(SAN)),-fsanitize-undefined-trap-on-error -fno-sanitize=null -fno-sanitize=alignment -fno-sanitize=object-size -fno-sanitize=pointer-overflow)
$(foreach i,plain avx2 avx512 avx512bf16 amx,$(eval CFLAGS_$i += $(SAN_KERNELS))$(eval CFLAGS_$i_bf16 := $(CFLAGS_$i)))
$(B)/kernels-check: $(patsubst %.c,$(B)/obj/%.o,$(wildcard kernels/check*.c)) $(call libs,kernels base)
	$(Q)$(link)

# --- kernels on an NVIDIA GPU: a shared object that is opened at run time, built where nvcc is found; and the same sources for the CPU, with
# --- threads as fibers, for tests (kernels/cuda/emulate)
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
NVCC_ARCHS := -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]
NVCCFLAGS := -std=c++17 -O2 -lineinfo $(NVCC_ARCHS) -Werror all-warnings -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Werror
CUDA_SRC := $(wildcard kernels/cuda/*.cu)
CUDA_BASE := base/error base/dynamic8
EMULATE_FLAGS := -fPIC -fvisibility=hidden -Wno-unknown-pragmas -Wno-missing-field-initializers -Ikernels/cuda/emulate
EMULATE_OPT := -O1                            # half the time to compile
EMULATED = $(B)/lib/quern-cuda-emulated.so
$(B)/cuda/%.o: %.cu
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(CPPFLAGS) $(NVCCFLAGS) -MD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
$(B)/emulated/%.o: %.cu
	@mkdir -p $(@D)
	$(Q)$(CXX) $(EMULATE_FLAGS) $(CPPFLAGS) $(CXXFLAGS) $(EMULATE_OPT) -MMD -MP -x c++ -c -o $@ $<
$(B)/emulated/%.o: %.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) $(EMULATE_FLAGS) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(B)/pic/%.o: libcore/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<
$(B)/lib/quern-cuda.so: $(CUDA_SRC:%.cu=$(B)/cuda/%.o) $(CUDA_BASE:%=$(B)/pic/%.o)
	@mkdir -p $(@D)
	$(Q)$(NVCC) -shared -cudart shared -o $@ $^ -lcublasLt
$(EMULATED): $(CUDA_SRC:%.cu=$(B)/emulated/%.o) $(patsubst %.cc,$(B)/emulated/%.o,$(wildcard kernels/cuda/emulate/*.cc)) $(CUDA_BASE:%=$(B)/pic/%.o)
	@mkdir -p $(@D)
	$(Q)$(CXX) -shared $(SAN) -o $@ $^ -lpthread -lm
ifneq ($(NVCC),)
all: $(B)/lib/quern-cuda.so
endif

# --- man pages: each tool's option list comes from its own table
MAN := $(patsubst man/%,$(B)/man/%,$(wildcard man/*.[15]))
$(B)/man/quern-%.1: man/quern-%.1 $(B)/bin/%
	@mkdir -p $(@D)
	$(Q)$(B)/bin/$* --help=mdoc >$@.options
	$(Q)awk '/^\.\\" OPTIONS$$/ { while ((getline line < "$@.options") > 0) print line; next } { print }' $< >$@
	@rm -f $@.options
$(B)/man/%: man/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(B)/completions/quern: $(TOOLS:%=$(B)/bin/%) tools/completion
	@mkdir -p $(@D)
	$(Q)tools/completion $(B)/bin $(filter-out quern,$(TOOLS)) >$@

.PHONY: man deps deps-check check build-check build-asan demo bench install uninstall clean
man: $(MAN)

# --- the two commands of the README install what they need
DEPS := gcc g++ make libc6-dev libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev libpcre2-dev libxxhash-dev \
	libarchive-dev libsimdjson-dev libutf8proc-dev libcld2-dev libyaml-dev libflint-dev libflint-arb-dev
DEPS_CHECK := libcmocka-dev bats mandoc
DEPS_DEMO := gnuplot-nox
DEPS_BENCH := libopenblas0-pthread
deps:
	@tests/install-packages $(DEPS)
deps-check: deps
	@tests/install-packages $(DEPS_CHECK)

# One job a core, unless make was told a number.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# At a fixed address: what the sanitizers know of each place in the source is then no word to relocate whenever a program starts.
# -Og and the compiler's cheaper ways to give out registers: three quarters of the time to compile, and as fast to run, next to ASan's own work.
ASAN := B=$(B)-asan OPT="-Og -fira-region=one -fira-algorithm=priority -fno-forward-propagate" BENCH= \
	SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fno-pie -no-pie"
build-check: tools man $(PRELOADS) $(if $(SAN),,$(EMULATED)) $(UNIT:%=$(B)/test/%) $(if $(SAN),$(FUZZ:%=$(B)/fuzz/%)) $(BENCH:%=$(B)/bench/%) $(B)/kernels-check
build-asan:
	@$(MAKE) --no-print-directory $(ASAN) build-check
check: deps-check
	@$(MAKE) --no-print-directory $(JOBS) build-asan build-check
	@tests/run $(B) $(B)-asan

demo: deps
	@tests/install-packages $(DEPS_DEMO)
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(MAKE) --no-print-directory -f pipelines/demo/Makefile BIN=$(abspath $(B)/bin)

bench: deps
	@tests/install-packages $(DEPS_BENCH)
	@$(MAKE) --no-print-directory $(JOBS) all $(BENCH:%=$(B)/bench/%) $(B)/kernels-check
	@tests/bench/run $(B)

# --- installation: quern in bin, the tools in libexec/quern
install: all man $(B)/completions/quern
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/quern $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/quern/tasks
	install -m 755 $(B)/bin/quern $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(filter-out %/quern,$(TOOLS:%=$(B)/bin/%)) $(DESTDIR)$(PREFIX)/libexec/quern/
	if [ -e $(B)/lib/quern-cuda.so ]; then install -m 755 $(B)/lib/quern-cuda.so $(DESTDIR)$(PREFIX)/libexec/quern/; fi
	install -m 644 $(filter %.1,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(filter %.5,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 $(wildcard pipelines/tasks/*.yaml) $(DESTDIR)$(PREFIX)/share/quern/tasks/
	install -m 644 $(B)/completions/quern $(DESTDIR)$(PREFIX)/share/bash-completion/completions/quern
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/quern $(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(filter %.1,$(MAN)))) \
		$(addprefix $(DESTDIR)$(PREFIX)/share/man/man5/,$(notdir $(filter %.5,$(MAN)))) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/quern
	rm -rf $(DESTDIR)$(PREFIX)/libexec/quern $(DESTDIR)$(PREFIX)/share/quern
clean:
	rm -rf $(B) $(B)-asan

-include $(shell find $(B)/obj $(B)/cuda $(B)/emulated $(B)/pic -name '*.d' 2>/dev/null)
ifndef V
Q := @
endif
