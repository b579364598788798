// Loaded into NNI's manager by `hpo-nni run`: its web page can cancel and submit trials and asks
// for no password, so it listens on this machine only. NNI itself has no option for the address.
"use strict";
const net = require("net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
    const [first] = args;
    if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
        if (typeof args[1] === "string") args[1] = "127.0.0.1";
        else args.splice(1, 0, "127.0.0.1");
    } else if (first !== null && typeof first === "object" && first.port !== undefined && !first.path) {
        args[0] = Object.assign({}, first, { host: "127.0.0.1" });
    }
    return listen.apply(this, args);
};
delete process.env.NODE_OPTIONS; // trials inherit the manager's environment
