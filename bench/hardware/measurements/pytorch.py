"""v5 in PyTorch: the same training step and prediction, by each of PyTorch's ways to compute them.

Reads a line of JSON from standard input (`seconds`), prints a line of JSON for what it sets, as the other runs do.
WEFT_TORCH_DEVICE=cpu rehearses it where there is no CUDA.
"""
import json
import os
import sys
import threading
import time

given = json.loads(sys.stdin.readline())
end = time.monotonic() + given["seconds"]


def leave_with_parent():
    sys.stdin.read()
    os._exit(1)


threading.Thread(target=leave_with_parent, daemon=True).start()


def report(**fields):
    print(json.dumps({"set": {"pytorch": fields}}), flush=True)


def leave(**fields):
    report(**fields)
    # Not sys.exit: the thread that waits for the parent holds standard input.
    sys.stdout.flush()
    os._exit(0)


try:
    import torch
    from torch import nn
except ImportError as error:
    leave(missing=f"python3 has no PyTorch: {error}")
device = os.environ.get("WEFT_TORCH_DEVICE", "cuda")
if device == "cuda" and not torch.cuda.is_available():
    leave(missing=f"PyTorch {torch.__version__} sees no CUDA device")

about = {
    "version": torch.__version__,
    "cuda": torch.version.cuda,
    "device": torch.cuda.get_device_name() if device == "cuda" else device,
}


def convolution(inputs, filters, padding=1):
    return [nn.Conv2d(inputs, filters, 3, padding=padding), nn.ReLU()]


def pool(channels):
    return [nn.MaxPool2d(2), nn.Dropout(0.2), nn.BatchNorm2d(channels)]


def network():
    return nn.Sequential(
        *convolution(1, 64), nn.BatchNorm2d(64), *convolution(64, 128), *pool(128),
        *convolution(128, 64), nn.BatchNorm2d(64), *convolution(64, 128), *pool(128),
        *convolution(128, 64), nn.BatchNorm2d(64), *convolution(64, 128, 0),
        nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(), nn.BatchNorm1d(512),
        nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10),
    ).to(device)


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


class Step:
    def __init__(self, tf32, channels_last, bf16, compiled):
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.bf16 = bf16
        self.model = network().to(memory_format=self.format)
        self.dense = [layer.weight for layer in self.model if isinstance(layer, nn.Linear)]
        # On a GPU in its fastest form, which a CUDA graph can hold, too.
        fast = dict(fused=True, capturable=True) if device == "cuda" else {}
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-4, eps=1e-7, **fast)
        self.call = torch.compile(self.model) if compiled else self.model

    def images(self, batch):
        return torch.rand(batch, 1, 28, 28, device=device).to(memory_format=self.format)

    def training(self, batch):
        self.model.train()
        x, labels = self.images(batch), torch.arange(batch, device=device) % 10

        def run():
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
                loss = nn.functional.cross_entropy(self.call(x), labels)
            loss = loss + 1e-5 * sum(weight.square().sum() for weight in self.dense)
            loss.backward()
            self.optimizer.step()

        return run

    def inference(self, batch):
        self.model.eval()
        x = self.images(batch)

        def run():
            with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=self.bf16):
                self.call(x).softmax(1).cpu()

        return run


def measure(run, batch):
    """Images a second over at most two seconds, the time of a step, and the memory that it takes."""
    for _ in range(3):
        run()
    wait()
    if device == "cuda":
        # What was tried to find the fastest convolutions doesn't count.
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    until = start + min(2, max(0, end - time.monotonic()) / 2)
    steps = 0
    while steps < 2 or time.perf_counter() < until:
        run()
        steps += 1
        # Without this, the loop runs far ahead of the GPU.
        if steps % 8 == 0:
            wait()
    wait()
    seconds = (time.perf_counter() - start) / steps
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return {"imagesPerSecond": batch / seconds, "stepMs": 1000 * seconds, "steps": steps, "memoryMiB": memory}


def captured(run):
    """The same step as a CUDA graph, which is replayed without Python's part in it: what a recorded step is here."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def mode(name, graph=False, **options):
    return name, graph, dict(dict(tf32=False, channels_last=False, bf16=False, compiled=False), **options)


STRICT = mode("float32")
ALL = [("training", 64), ("training", 512), ("inference", 512), ("inference", 1)]
LARGE = [("training", 512), ("inference", 512)]
# torch.compile takes tens of seconds: with less left it isn't begun.
COMPILING_SECONDS = 40
# In order of worth.
PLAN = [
    (STRICT, ALL),
    (mode("float32, CUDA graph", graph=True), [("training", 64), ("training", 512)]),
    (mode("float32, channels-last", channels_last=True), LARGE),
    (mode("TF32", tf32=True), ALL),
    (mode("TF32, channels-last", tf32=True, channels_last=True), LARGE),
    (mode("bfloat16, channels-last", tf32=True, channels_last=True, bf16=True), LARGE),
    (STRICT, [("training", 128), ("training", 2048)]),
    (mode("float32, torch.compile", compiled=True), LARGE),
    (mode("bfloat16, channels-last, torch.compile", tf32=True, channels_last=True, bf16=True, compiled=True), LARGE),
]

rows, failures, skipped = [], [], []
for (name, graph, options), steps in PLAN:
    if time.monotonic() > end:
        print(json.dumps({"set": {"cut": True}}), flush=True)
        break
    if options["compiled"] and end - time.monotonic() < COMPILING_SECONDS:
        skipped.append(name)
        continue
    try:
        step = Step(**options)
        for kind, batch in steps:
            if time.monotonic() > end:
                break
            run = getattr(step, kind)(batch)
            rows.append({"mode": name, "step": kind, "batch": batch, **measure(captured(run) if graph else run, batch)})
            report(**about, rows=rows, failures=failures)
    except Exception as error:  # One way that doesn't work here leaves the others.
        failures.append({"mode": name, "error": str(error)[:500]})
        report(**about, rows=rows, failures=failures)
leave(**about, rows=rows, failures=failures, skipped=skipped)
