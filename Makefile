# quern: a hand mill for language models. `make`, `make check`, `make demo`, `make install`.
#
# Every folder of libcore and kernels becomes one archive; every tools/NAME.c becomes build/bin/NAME,
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
CPPFLAGS += -D_GNU_SOURCE -DQUERN_VERSION='"$(VERSION)"' -Ilibcore -Ikernels -Itools
CFLAGS += -std=c11 -g $(OPT) $(WARN) $(SAN)
CXXFLAGS += -std=c++17 -g $(OPT) -Wall -Wextra -Werror $(SAN)
LDFLAGS += $(SAN) -Wl,--as-needed
LDLIBS := -lzstd -larchive -lpcre2-8 -lutf8proc -lgumbo -lcld2 -lsimdjson -lstdc++ -lpthread -ldl -lm

TOOLS := $(sort $(basename $(notdir $(wildcard tools/*.c))))
ROOMS := base stream text token model infer train judge kernels

# What a tool needs besides base and stream.
ROOMS_import := text
ROOMS_clean := text
ROOMS_dedup := text
ROOMS_bpe-train := token
ROOMS_tokenize-bpe := token
ROOMS_pack := token
ROOMS_init-model := model kernels
ROOMS_sft-train := train model token kernels
ROOMS_dpo-train := train model token kernels
ROOMS_generate := infer model token kernels
ROOMS_score := judge infer model token kernels
ROOMS_rejection-sample := judge
ROOMS_eval := judge infer model token kernels

room_src = $(if $(filter kernels,$1),$(wildcard kernels/cpu/*.c),$(wildcard libcore/$1/*.c libcore/$1/*.cc))
room_obj = $(patsubst %.cc,$(B)/obj/%.o,$(patsubst %.c,$(B)/obj/%.o,$(call room_src,$1)))
libs = $(foreach r,$1,$(if $(call room_src,$r),$(B)/lib/$r.a))
link = $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all
all: $(TOOLS:%=$(B)/bin/%)

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

COMMON_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/common/*.c))
define tool_rule
$(B)/bin/$1: $(B)/obj/tools/$1.o $(if $(filter quern,$1),,$(COMMON_OBJ)) $(call libs,base stream $(ROOMS_$1))
	@mkdir -p $$(@D)
	$$(Q)$$(link)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$t)))

# Unit tests: tests/unit/test_NAME.c, linked with every room (an archive costs nothing where it is not used).
UNIT := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
$(B)/test/%: $(B)/obj/tests/unit/%.o $(call libs,$(ROOMS))
	@mkdir -p $(@D)
	$(Q)$(link) -lcmocka
# During work in one room: only its archives. make build/test/test_x ROOMS="base stream"

-include $(wildcard mk/*.mk)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
ifndef V
Q := @
endif
