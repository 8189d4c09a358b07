"""generate.py DIR [FORM ...]: tokens a second of generation, ours beside llama.cpp and transformers on the same weights, in one run.

Run by hand after `make build/bench/bench_generate build/bin/generate`, in Python environments with llama-cpp-python and gguf (this script),
and with torch and transformers (PEER, the path of its python; this one unless it is set); each is left out, in words, where it is missing.
DIR is a directory of a Llama or Qwen2 model, as floats for llama.cpp; FORM is f32, bf16, int8 (default all three) or nf4: llama.cpp's are F32,
BF16 and Q8_0, transformers computes in float32 or bfloat16, and where bitsandbytes is there with its int8 and NF4, of which one sequence alone
is measured; ours beside bf16 once with activations of floats, which is its default, and once as --bf16 has them. Measured are one sequence
behind a prompt of 16, prompts of 512, and 32 sequences behind prompts of 16, with THREADS (default 2) threads; ours also as a share of what the
machine can do, measured in the same run (bench_generate.c says how).

Each measures in turn, ROUNDS times (default 3), for the machine's own speed comes and goes; best and median are told, and ratios of either.
With JOB=1 also a job: 64 prompts of 8 to 256 tokens, 4 samples of each, 128 tokens at most, but the end of text is made four hundred
times as probable, that lengths differ; DIR needs a tokenizer. Ours is the whole command; of transformers the loading is not counted, and
prompts of like length share a batch of 64 sequences, padded on the left. GGUF files are made in GGUF (a folder, default $TMPDIR) and left
there. --transformers DIR FORM answers what it is asked on its input; --llama DIR FORM measures that alone."""
import json, os, re, statistics, subprocess, sys, tempfile, time

threads = int(os.environ.get("THREADS", 2))
rounds = int(os.environ.get("ROUNDS", 3))
folder = os.environ.get("GGUF", tempfile.gettempdir())
MANY, PROMPT, LONG, NEW = 32, 16, 512, 32
WHAT = ("one sequence", "prompts of 512", "32 sequences", "job")
QUANTISED = ("int8", "nf4")              # bitsandbytes' in transformers
PROMPTS, SAMPLES, LIMIT, END_BIAS = 64, 4, 128, 6.0


def ours(path, form, acts):
    out = subprocess.run(["build/bench/bench_generate", "-j", str(threads)] + acts + [path, form], check=True, capture_output=True, text=True).stdout
    rows = dict(re.findall(r"^  (one sequence|prompts|32 sequences) +([\d.]+) tokens", out, re.M))
    share = dict(re.findall(r"^  (one sequence|prompts|32 sequences) .*?([\d.]+) %", out, re.M))
    return [(float(rows[k]), float(share[k])) for k in ("one sequence", "prompts", "32 sequences")]


# --- a job -------------------------------------------------------------------------------------------------------

def job_texts():
    """Of one byte, and so about one token, a word's letter."""
    return ["".join(chr(97 + (i * 7 + k * (3 + i % 5)) % 26) + (" " if k % 6 == 5 else "") for k in range(8 + i * 97 % 249)) for i in range(PROMPTS)]


def end_of_text(path):
    end = json.load(open(f"{path}/config.json")).get("eos_token_id")
    return end[0] if isinstance(end, list) else end


def our_job(path, form, acts):
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/prompts.jsonl", "w") as f:
            for i, text in enumerate(job_texts()):
                f.write(json.dumps({"id": str(i), "text": text}) + "\n")
        start = time.perf_counter()
        subprocess.run(["build/bin/generate", "-q", "-m", path, "--load", form, "-n", str(SAMPLES), "--max-new-tokens", str(LIMIT), "-j", str(threads),
                        "--logit-bias", f"{end_of_text(path)}={END_BIAS}", "--stats", f"{d}/stats.json", "-o", f"{d}/out.arrows"] + acts +
                       [f"{d}/prompts.jsonl"], check=True)
        seconds = time.perf_counter() - start
        return json.load(open(f"{d}/stats.json"))["new_tokens"] / seconds


# --- transformers ------------------------------------------------------------------------------------------------

class Transformers:
    """A process of its own, which answers one number for the name of each measurement."""

    def __init__(self, path, form):
        self.run = subprocess.Popen([os.environ.get("PEER", sys.executable), __file__, "--transformers", path, form], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def rate(self, what):
        try:
            self.run.stdin.write(what + "\n")
            self.run.stdin.flush()
        except BrokenPipeError:
            return None
        line = self.run.stdout.readline()
        return float(line) if line else None

    def close(self):
        self.run.stdin.close()
        self.run.wait()


def transformers_answers(path, form):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(threads)
    options = {}
    if form in QUANTISED:
        from transformers import BitsAndBytesConfig
        how = {"load_in_8bit": True} if form == "int8" else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
                                                             "bnb_4bit_compute_dtype": torch.bfloat16}
        options = {"quantization_config": BitsAndBytesConfig(**how), "device_map": "cpu"}
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32 if form == "f32" else torch.bfloat16, **options).eval()

    def seconds(batch, length, n):
        ids = torch.randint(3, 256, (batch, length), generator=torch.Generator().manual_seed(1))
        start = time.perf_counter()
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=n, min_new_tokens=n, pad_token_id=0)
        assert out.shape[1] == length + n
        return time.perf_counter() - start

    def job():
        tokenizer = AutoTokenizer.from_pretrained(path)
        end, rows = end_of_text(path), sorted((tokenizer(t)["input_ids"] for t in job_texts()), key=len)
        said, start = 0, time.perf_counter()
        for at in range(0, PROMPTS, 64 // SAMPLES):
            batch = rows[at:at + 64 // SAMPLES]
            wide = max(map(len, batch))
            ids = torch.tensor([[0] * (wide - len(r)) + r for r in batch])
            mask = torch.tensor([[0] * (wide - len(r)) + [1] * len(r) for r in batch])
            out = model.generate(ids, attention_mask=mask, do_sample=True, top_k=0, num_return_sequences=SAMPLES, max_new_tokens=LIMIT,
                                 eos_token_id=end, pad_token_id=end, sequence_bias=[[[end], END_BIAS]])[:, wide:]
            said += sum(r.index(end) + 1 if end in r else len(r) for r in out.tolist())
        return said / (time.perf_counter() - start)

    measure = {
        "one sequence": lambda: NEW / (seconds(1, PROMPT, NEW + 4) - seconds(1, PROMPT, 4)),
        "prompts of 512": lambda: 4 * LONG / seconds(4, LONG, 1),
        "32 sequences": lambda: MANY * NEW / (seconds(MANY, PROMPT, NEW + 4) - seconds(MANY, PROMPT, 4)),
        "job": job,
    }
    with torch.inference_mode():
        seconds(1, PROMPT, 4)
        for line in sys.stdin:
            print(measure[line.strip()](), flush=True)


# --- llama.cpp ---------------------------------------------------------------------------------------------------

NAMES = {"input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
         "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def tensors(path):
    """Of a safetensors file of F32: names and arrays."""
    import numpy as np
    with open(f"{path}/model.safetensors", "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(n))
    data = np.memmap(f"{path}/model.safetensors", mode="r", offset=8 + n)
    for name, t in header.items():
        if name != "__metadata__":
            assert t["dtype"] == "F32", "the weights are wanted in F32"
            a, b = t["data_offsets"]
            yield name, data[a:b].view(np.float32).reshape(t["shape"])


def gguf_file(path, form):
    import gguf
    out = f"{folder}/{os.path.basename(os.path.abspath(path))}-{form}.gguf"
    if os.path.exists(out):
        return out
    c = json.load(open(f"{path}/config.json"))
    arch = c["model_type"]
    w = gguf.GGUFWriter(out + ".part", arch)
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_vocab_size(c["vocab_size"])
    w.add_tokenizer_model("no_vocab")
    kind = {"f32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16, "int8": gguf.GGMLQuantizationType.Q8_0}[form]
    for name, x in tensors(path):
        if name in OUTSIDE:
            to = OUTSIDE[name]
        else:
            layer, rest = re.match(r"model\.layers\.(\d+)\.(.*)", name).groups()
            part, dot, suffix = rest.rpartition(".")
            to = f"blk.{layer}." + (NAMES.get(rest) or NAMES[part] + "." + suffix)
            if arch == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):   # its pairs of rotation stand side by side
                heads = c["num_attention_heads" if "q_proj" in part else "num_key_value_heads"]
                x = x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)
        if x.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
            w.add_tensor(to, x)
        else:
            w.add_tensor(to, gguf.quants.quantize(x, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.rename(out + ".part", out)
    return out


def llama_rates(file):
    import llama_cpp as L
    L.llama_backend_init()
    L.llama_log_set(quietly, None)
    options = L.llama_model_default_params()
    options.use_extra_bufts = False      # its products of quantised weights in AMX end in a fault here (0.3.36)
    model = L.llama_model_load_from_file(file.encode(), options)
    p = L.llama_context_default_params()
    p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = 4 * (LONG + 64), 2048, 512, MANY
    p.n_threads = p.n_threads_batch = threads
    p.kv_unified = True
    context = L.llama_init_from_model(model, p)
    assert model and context
    batch = L.llama_batch_init(2048, 0, MANY)

    def feed(rows):
        """rows: (position, sequence, whether logits are wanted)"""
        batch.n_tokens = len(rows)
        for i, (at, seq, logits) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = 3 + (at * 31 + seq * 7) % 250, at, 1, logits
            batch.seq_id[i][0] = seq
        assert L.llama_decode(context, batch) == 0
        L.llama_synchronize(context)

    def seconds(sequences, length, n):
        L.llama_memory_clear(L.llama_get_memory(context), True)
        start = time.perf_counter()
        feed([(at, s, at == length - 1) for s in range(sequences) for at in range(length)])
        first = time.perf_counter() - start
        for k in range(n):
            feed([(length + k, s, 1) for s in range(sequences)])
        return first, time.perf_counter() - start - first

    seconds(1, PROMPT, 4)
    one = NEW / min(seconds(1, PROMPT, NEW)[1] for _ in range(2))
    prompts = 4 * LONG / min(seconds(4, LONG, 0)[0] for _ in range(2))
    many = MANY * NEW / seconds(MANY, PROMPT, NEW)[1]
    return [one, prompts, many]


def attempt(what):
    try:
        return what()
    except ImportError as e:
        return str(e)


def row(form, i, mine, shares, peers):
    text = f"{form:11}  {WHAT[i]:14}  quern {max(mine):7.1f} tokens/s, median {statistics.median(mine):7.1f}"
    text += f" ({max(shares):5.1f} % of the limit)" if shares else ""
    for name, r in peers:
        text += f"  {name} {max(r):7.1f}, {statistics.median(r):7.1f} ({max(mine) / max(r):4.1f}, {statistics.median(mine) / statistics.median(r):4.1f} times)"
    print(text, flush=True)


def compare(path, form, job):
    """All in turn, in each round."""
    file = "llama.cpp, which has no NF4" if form == "nf4" else attempt(lambda: gguf_file(path, form))
    if os.environ.get("PREPARE"):            # only the files, that a measurement needs not wait for them
        return
    acts = [("bf16" if form == "bf16" else form, [])] + ([("bf16 --bf16", ["--bf16"])] if form == "bf16" else [])
    peer = Transformers(path, form)
    mine, theirs, llama = {name: [] for name, _ in acts}, [], []
    for _ in range(rounds):
        for name, flags in acts:
            mine[name].append(ours(path, form, flags) + ([(our_job(path, form, flags), None)] if job else []))
        if peer:
            theirs.append([peer.rate(w) for w in WHAT[:1 if form in QUANTISED else 3 + job]])
        if not (theirs and theirs[-1][0]):
            peer = None
        llama.append(file if form == "nf4" else attempt(lambda: llama_rates(file)))
    if peer:
        peer.close()
    else:
        print("  left out: transformers")
    if isinstance(llama[0], str):
        print(f"  left out: {llama[0]}")
    for name, _ in acts:
        for i in range(3 + job):
            peers = [("llama.cpp", [r[i] for r in llama])] if i < 3 and not isinstance(llama[0], str) else []
            peers += [("transformers", [r[i] for r in theirs])] if peer and i < len(theirs[0]) else []
            row(name, i, [r[i][0] for r in mine[name]], [r[i][1] for r in mine[name]] if i < 3 else None, peers)


def main():
    global quietly
    if sys.argv[1] == "--transformers":
        transformers_answers(*sys.argv[2:])
        return
    try:
        import llama_cpp
        quietly = llama_cpp.llama_log_callback(lambda *a: None)
    except ImportError:
        pass
    if sys.argv[1] == "--llama":
        print(json.dumps(llama_rates(gguf_file(*sys.argv[2:]))))
        return
    for form in sys.argv[2:] or ["f32", "bf16", "int8"]:
        compare(sys.argv[1], form, int(os.environ.get("JOB", 0)) > 0)


main()
