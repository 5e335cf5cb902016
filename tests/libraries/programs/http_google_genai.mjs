// Calls the local server over HTTP with the published @google/genai.
import { GoogleGenAI, Type } from "@google/genai";

const ai = new GoogleGenAI({ apiKey: "a-key", httpOptions: { baseUrl: process.argv[2] } });
const model = "gemini-2.5-flash";
const print = (...values) => console.log(values.map((value) => JSON.stringify(value)).join(" "));
const texts = async (stream) => { const found = []; for await (const chunk of stream) found.push(chunk.text); return found; };

print((await ai.models.generateContent({ model, contents: "Hi" })).text);
print(await texts(await ai.models.generateContentStream({ model, contents: "Hi" })));
const chat = ai.chats.create({ model });
print((await chat.sendMessage({ message: "one" })).text, await texts(await chat.sendMessageStream({ message: "two" })), chat.getHistory().length);
const add = { name: "add", description: "Add two numbers.", parametersJsonSchema: { type: "object", properties: { left: { type: "number" } } } };
const called = await ai.models.generateContent({ model, contents: "2 + 3?", config: { tools: [{ functionDeclarations: [add] }] } });
print(called.functionCalls.map(({ name, args }) => [name, Object.entries(args).sort()]));
const schema = { type: Type.ARRAY, items: { type: Type.STRING } };
const config = { responseMimeType: "application/json", responseSchema: schema, temperature: 0, systemInstruction: "Be brief." };
print(JSON.parse((await ai.models.generateContent({ model, contents: "Who?", config })).text));
print((await ai.models.countTokens({ model, contents: "one two" })).totalTokens);
const { embeddings } = await ai.models.embedContent({ model: "gemini-embedding-001", contents: ["a", "b"], config: { outputDimensionality: 64 } });
print(embeddings.map(({ values }) => values.length));
let file = await ai.files.upload({ file: new Blob(["Once upon a time"], { type: "text/plain" }), config: { displayName: "Tale" } });
while (file.state === "PROCESSING") file = await ai.files.get({ name: file.name });
print(file.state, file.sizeBytes, file.displayName);
const parts = [{ text: "Sum up" }, { fileData: { fileUri: file.uri, mimeType: file.mimeType } }];
print((await ai.models.generateContent({ model, contents: [{ role: "user", parts }] })).text);
const cached = await ai.caches.create({ model, config: { contents: "A long tale", ttl: "300s" } });
print(cached.model, (await ai.models.generateContent({ model, contents: "Now", config: { cachedContent: cached.name } })).text);
await ai.caches.delete({ name: cached.name });
await ai.files.delete({ name: file.name });
try { await ai.models.generateContent({ model: "none", contents: "Hi" }); } catch (error) { print(error.name, error.status); }
