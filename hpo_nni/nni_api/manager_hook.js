// Loaded into NNI's manager by `hpo-nni run`. Two things that NNI has no option for:
//
// 1. Its web page can cancel and submit trials and asks for no password, so it listens on this
//    machine only (unless HPO_NNI_PUBLIC is set).
// 2. NNI 2.10.1 looks for ended and for new trials every 5 s each, so that a slot stands empty for
//    up to 10 s between two trials. It looks every half second here, as NNI 3.0 does.
"use strict";
const Module = require("module");
const net = require("net");

if (!process.env.HPO_NNI_PUBLIC) {
    const listen = net.Server.prototype.listen;
    net.Server.prototype.listen = function (...args) {
        const [first] = args;
        if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
            if (typeof args[1] === "string") args[1] = "127.0.0.1";
            else args.splice(1, 0, "127.0.0.1");
        } else if (first !== null && typeof first === "object" && "port" in first) {
            args[0] = Object.assign({}, first, { host: "127.0.0.1" });
        }
        return listen.apply(this, args);
    };
}

const load = Module._load;
const patched = new WeakSet();
Module._load = function (request, ...rest) {
    const loaded = load.call(this, request, ...rest);
    if (/(^|\/)common\/utils$/.test(request) && loaded.delay && !patched.has(loaded)) {
        patched.add(loaded);
        const delay = loaded.delay;
        // the same delay paces the GPU scheduler, which calls nvidia-smi: that one stays
        const isTrialLoop = () => /manageTrials|runJobLoop/.test(new Error().stack);
        loaded.delay = (milliseconds, ...more) =>
            delay(milliseconds === 5000 && isTrialLoop() ? 500 : milliseconds, ...more);
    }
    return loaded;
};

delete process.env.NODE_OPTIONS; // trials inherit the manager's environment
